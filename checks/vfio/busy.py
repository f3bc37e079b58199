"""Devices for a VM that the host has in use, so that they cannot be taken away."""

from __future__ import annotations

from vfio_doctor.api import (
    BuiltinModules,
    Check,
    ClaimKind,
    Conclusion,
    Connectors,
    DevicePlace,
    Evidence,
    Facts,
    Finding,
    HostNeeds,
    Iterator,
    KernelMessages,
    LibvirtHooks,
    Message,
    MissingFact,
    Need,
    PciDevice,
    PciDevices,
    Severity,
    StartedVms,
    Wanted,
    WantedDevices,
    in_order,
    known,
    same_card,
    say,
)

NVIDIA = "nvidia"
DISK = "01"
# A VM, the next boot or a person takes it from the driver that has it now.
TAKING = frozenset((ClaimKind.VM, ClaimKind.NEXT, ClaimKind.ASKED))
# Of these threads of libvirt's, one that hangs is what a detach looks like.
SIGNS = (Conclusion.REMOVED_IN_USE, Conclusion.DETACH_HANGS)
ALL_HELD = say("vfio-busy-none", "nothing is to be taken from a driver of the host's")
IN_USE = say(
    "vfio-busy-needed",
    "{bdf} is to be given to a VM ({source}), but {driver} has it and {why}.",
)
SCREEN = say(
    "vfio-busy-screen",
    "{bdf} is to be given to a VM ({source}), but {driver} has it and {why}: taking it"
    " away while the host runs hangs, or ends the desktop.",
)
MAY_HOLD = say(
    "vfio-busy-may-hold",
    "{bdf} is to be given to a VM ({source}), {driver} has it, and {why}.",
)
LOOK_FIRST = say(
    "vfio-busy-look-at-disks",
    "Make sure that none of its disks is part of a file system or pool of the host's:"
    " `lsblk`, and `zpool status -P` for ZFS, show what is in use.",
)
ALL_NVIDIA = say(
    "vfio-busy-nvidia",
    "{bdf} is to be given to a VM ({source}), but the driver nvidia has it, and"
    " {others} too: a desktop on one has the other open as well, and taking it away"
    " then hangs.",
)
HANGS = say(
    "vfio-busy-hangs",
    "{bdf} was taken away from its driver while programs had it open: that does not end"
    " while they do, and often not before the host is rebooted.",
)
AT_BOOT = say(
    "vfio-busy-at-boot",
    "That happens at every boot: the host starts {vms} by itself.",
)
FREE = say("vfio-busy-free", "vfio-pci since boot, or a driver that nobody uses")
KERNEL_LOG = say("vfio-busy-kernel-log", "kernel log")
NO_SIGN = say("vfio-busy-no-sign", "no such line")
BY_ARGUMENT = say(
    "vfio-busy-by-argument",
    "Have vfio-pci take the card at boot, before anybody opens it, with the kernel"
    " argument `vfio-pci.ids={ids}`; a line in modprobe.d does nothing if vfio-pci is"
    " built into the kernel.",
)
BY_IDS = say(
    "vfio-busy-by-ids",
    "Have vfio-pci take the card at boot, before anybody opens it:"
    " `options vfio-pci ids={ids}` and `softdep {driver} pre: vfio-pci` in a file in"
    " /etc/modprobe.d, a new initramfs, a reboot.",
)
BY_ADDRESS = say(
    "vfio-busy-by-address",
    "Have vfio-pci take the card at boot, before anybody opens it; by its address"
    " (driver_override), since its ids stand for {twins} too.",
)
ONLY = say(
    "vfio-busy-only-card",
    "The host has no other graphics card for its screen: end the desktop before the VM"
    " starts (a hook script of libvirt's), or give the host a second card.",
)
OTHER_FIRST = say(
    "vfio-busy-other-card-first",
    "First connect the display to the host's own card, and make that one the primary in"
    " the firmware setup.",
)
KEEP = say(
    "vfio-busy-keep",
    "Do not give it away: take it out of {source}, or let the host do without it"
    " first.",
)
KEEP_ASKED = say(
    "vfio-busy-keep-asked",
    "Do not give it away: let the host do without it first.",
)


class VfioDeviceBusy(Check):
    """The host has a device in use that is to be taken away from it.

    What it does:
    Looks at devices that a VM gets when it starts, that vfio-pci takes from the next
    boot on, or that you name with --device, and that a driver of the host's has now.
    It reports those that the host needs (a mounted disk, the network, the only
    keyboard, the screen), and cards of the driver nvidia if it has another card too.
    For cards it looks in the kernel log whether taking one away has hung before. If the
    host starts the VM by itself, it says so.

    Why is this bad?
    A graphics driver lets go of a card only after every program has closed it. Until
    then `virsh nodedev-detach`, or the start of the VM, hangs and cannot be killed:
    the host has to be rebooted. A disk or a network card is gone at once.

    How it is repaired:
    By hand: let vfio-pci take the card at boot, so that no program ever has it open.
    If the host draws its screen on the card, that needs another one first.

    See it yourself:
        sudo fuser -v /dev/dri/* /dev/nvidia*
        lspci -nnk -d ::0300
        sudo journalctl -k -b | grep -e 'usage count' -e 'blocked for more'

    False alarms:
    If hook scripts of libvirt's end the desktop before the VM starts, all is as you
    meant it: if there is any hook script, a card is only noted.
    """

    id = "vfio-device-busy"
    severity = Severity.WARNING
    title = "The host uses a device that is to be given away"

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding a device."""
        wanted = facts[WantedDevices]
        wanted.demand()
        taken = [one for one in wanted.devices if _is_taken(one)]
        if not taken:
            wanted.none(ALL_HELD)
        for one in taken:
            if one.device.is_display:
                yield from _card(one, facts)
            else:
                yield from _other(one, facts)
        wanted.all_seen()
        facts[StartedVms].demand_seen()


def _is_taken(one: Wanted) -> bool:
    # What should be bound already is a matter of vfio-not-bound.
    return not one.held and not one.standing and bool(one.kinds & TAKING)


def _source(one: Wanted) -> str:
    return next(claim.source for claim in one.claims if claim.kind in TAKING)


def _need(device: PciDevice, facts: Facts) -> Need | None:
    return next((need for need in facts[HostNeeds].of(device.bdf) if need.sure), None)


def _driver_row(device: PciDevice) -> Evidence:
    path = f"/sys/bus/pci/devices/{device.bdf}/driver"
    return Evidence(path, device.driver, FREE)


def _other(one: Wanted, facts: Facts) -> Iterator[Finding]:
    device, source = one.device, _source(one)
    need = _need(device, facts)
    if not device.driver:
        return
    if need is None:
        yield from _unsure(one, facts)
        return
    lasting = one.kinds - {ClaimKind.ASKED}
    starting = facts[StartedVms].having(device.bdf)
    severe = starting or (device.class_.startswith(DISK) and lasting)
    message = IN_USE.filled(
        bdf=device.bdf, source=source, driver=device.driver, why=need.why
    )
    severity = Severity.ERROR if severe else None
    advice = KEEP.filled(source=source) if lasting else KEEP_ASKED
    rows = (_driver_row(device),)
    message = in_order(message, _at_each_boot(starting))
    yield Finding(DevicePlace(device.bdf), message, rows, severity, advice)


def _unsure(one: Wanted, facts: Facts) -> Iterator[Finding]:
    """Yield that a disk may be the host's: of a pool of ZFS nobody can tell."""
    device = one.device
    needs = facts[HostNeeds].of(device.bdf) if device.class_.startswith(DISK) else ()
    if ClaimKind.VM not in one.kinds:
        return
    for need in needs[:1]:
        said = {"bdf": device.bdf, "source": _source(one), "driver": device.driver}
        message = MAY_HOLD.filled(why=need.why, **said)
        rows = (_driver_row(device),)
        yield Finding(DevicePlace(device.bdf), message, rows, Severity.INFO, LOOK_FIRST)


def _at_each_boot(vms: tuple[str, ...]) -> Message | None:
    return AT_BOOT.filled(vms=vms) if vms else None


def _card(one: Wanted, facts: Facts) -> Iterator[Finding]:
    device = one.device
    place = DevicePlace(device.bdf)
    sign = _sign(device, facts)
    if sign:
        message = HANGS.filled(bdf=device.bdf)
        rows = (Evidence(KERNEL_LOG, sign, NO_SIGN),)
        yield Finding(place, message, rows, Severity.ERROR, _advice(one, facts))
        return
    said = _why(one, facts)
    if said is not None:
        hooks = facts[LibvirtHooks].paths
        rows = (_driver_row(device),)
        severity = Severity.INFO if hooks else None
        said = in_order(said, _at_each_boot(facts[StartedVms].having(device.bdf)))
        yield Finding(place, said, rows, severity, _advice(one, facts))
    elif device.driver and (unseen := facts[Connectors].refused):
        known(unseen)


def _why(one: Wanted, facts: Facts) -> Message | None:
    """Return why taking the card away will not end well; None if it may."""
    device, source = one.device, _source(one)
    if not device.driver:
        return None
    need = _need(device, facts)
    if need is not None:
        return SCREEN.filled(
            bdf=device.bdf, source=source, driver=device.driver, why=need.why
        )
    others = tuple(
        d.bdf
        for d in facts[PciDevices].displays
        if d.bdf != device.bdf and d.driver == device.driver == NVIDIA
    )
    if not others:
        return None
    return ALL_NVIDIA.filled(bdf=device.bdf, source=source, others=others)


def _sign(device: PciDevice, facts: Facts) -> str:
    """Return the line of the log that shows a detach that hangs, or ""."""
    try:
        found = facts[KernelMessages].log.of(*SIGNS)
    except MissingFact:
        return ""
    cards = [d for d in facts[WantedDevices].devices if d.device.is_display]
    for match in found:
        # A hung thread names no device: it counts if there is one card only.
        if match.device == device.bdf or (not match.device and len(cards) == 1):
            return match.line
    return ""


def _advice(one: Wanted, facts: Facts) -> Message:
    device = one.device
    rest = [
        d
        for d in facts[PciDevices].displays
        if d.bdf != device.bdf and facts[WantedDevices].of(d.bdf) is None
    ]
    if not rest:
        return ONLY
    first = OTHER_FIRST if _need(device, facts) else None
    return in_order(first, _at_boot(device, facts))


def _at_boot(device: PciDevice, facts: Facts) -> Message:
    """Return how the whole card is bound at boot, and nothing else with it."""
    found = facts[PciDevices].devices
    card = [d for d in found if d.bdf == device.bdf or same_card(d, device)]
    own = {d.bdf for d in card}
    each = tuple(dict.fromkeys(d.ids for d in card))
    twins = tuple(d.bdf for d in found if d.ids in each and d.bdf not in own)
    if twins:
        return BY_ADDRESS.filled(twins=twins)
    ids = ",".join(each)
    if _is_built_in(facts) or not device.driver:
        return BY_ARGUMENT.filled(ids=ids)
    return BY_IDS.filled(ids=ids, driver=device.driver)


def _is_built_in(facts: Facts) -> bool:
    try:
        return facts[BuiltinModules].has("vfio_pci")
    except MissingFact:
        return False
