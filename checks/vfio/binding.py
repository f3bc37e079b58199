"""Devices that are meant for a VM, and that no driver of VFIO's has."""

from __future__ import annotations

from vfio_doctor.api import (
    MISSPELT,
    NAME_IDS,
    RESPELL,
    AskedCard,
    AskedCards,
    Check,
    Claim,
    ClaimKind,
    DevicePlace,
    Evidence,
    Facts,
    Finding,
    HostNeeds,
    Iterator,
    Message,
    PciDevice,
    PciDevices,
    Severity,
    Wanted,
    WantedDevices,
    blocks,
    by_script,
    freed,
    given_elsewhere,
    in_order,
    is_misspelt,
    late_image,
    members,
    not_written,
    same_card,
    say,
    writer,
)

VFIO_PCI = "vfio-pci"
BRIDGE = "06"
NOT_PROBED = say(
    "vfio-not-bound-never-probed",
    "{bdf} has no driver: driver_override names vfio-pci, but after that nobody asked"
    " the kernel to look for a driver.",
)
NO_DRIVER = say(
    "vfio-not-bound-no-driver",
    "{bdf} is meant for vfio-pci ({source}), but has no driver.",
)
OTHER = say(
    "vfio-not-bound-other-driver",
    "{bdf} is meant for vfio-pci ({source}), but {driver} has it.",
)
SIBLINGS = say(
    "vfio-not-bound-siblings",
    "{others} are functions of the same card as {main} and of its group, but the host's"
    " drivers have them, and nothing says that they go to the VM.",
)
SIBLING = say(
    "vfio-not-bound-sibling",
    "{others} is a function of the same card as {main} and of its group, but the host's"
    " driver has it, and nothing says that it goes to the VM.",
)
NONE = say("vfio-not-bound-none", "none")
ONLY_NOW = say(
    "vfio-not-bound-only-now",
    "{bdf} is on {driver} now, and nothing that was seen binds it at the next boot.",
)
# What a finding names first, of all that says so.
FIRST = (ClaimKind.BOOT, ClaimKind.OVERRIDE, ClaimKind.UNMANAGED, ClaimKind.SETUP)
PROBE = say(
    "vfio-not-bound-probe",
    "Run `echo {bdf} | sudo tee /sys/bus/pci/drivers_probe`. For every boot, let the"
    " script that sets driver_override do so too: `modprobe vfio-pci` alone binds"
    " nothing.",
)
LOAD = say(
    "vfio-not-bound-load",
    "Run `sudo modprobe vfio-pci`, and have it loaded at every boot. If it is loaded,"
    " run `echo {bdf} | sudo tee /sys/bus/pci/drivers_probe`.",
)
EMPTY = "(null)"
ADD = say(
    "vfio-not-bound-add-ids",
    "The VM is to get the whole card: add {ids} to what names {main}, or let the VM's"
    " definition take every function (libvirt: a <hostdev managed='yes'> for each).",
)


ADD_FIRST = say(
    "vfio-not-bound-add-first",
    "First make sure that the host can do without {needed}: {why}. Else leave the whole"
    " card to the host.",
)


STAYS = say(
    "vfio-asked-stays",
    "{devices} cannot be given to a VM as things are: {reasons}.",
)
LOOK = say(
    "vfio-asked-look",
    "Make sure yourself that the host can do without: `findmnt`, `ip route` and `lsusb"
    " -t` show what it uses.",
)
UNSURE = say(
    "vfio-asked-unsure",
    "Nobody can tell from here whether {devices} can be given to a VM: {reasons}.",
)
DOUBTS = frozenset(("bind-may-be-needed", "bind-shared-may-need"))
FREE = say(
    "vfio-asked-free",
    "{devices} could be given to a VM: {driver} has {bdf} now, and nothing that was"
    " seen binds it at boot.",
)
IDLE = say(
    "vfio-asked-idle",
    "{devices} could be given to a VM: {bdf} has no driver, and nothing that was seen"
    " binds it at boot.",
)
ELSEWHERE = say(
    "vfio-asked-elsewhere",
    "`vfio-doctor devices` shows what is free.",
)
AT_BOOT = say(
    "vfio-asked-at-boot",
    "Have vfio-pci take the whole card at boot, before anybody opens it.",
)
MANAGED = say(
    "vfio-asked-managed",
    "Let libvirt take it when the VM starts (a <hostdev managed='yes'> for each"
    " function), or have it bound at boot.",
)


STUB = "pci-stub"
STUBBED = say(
    "vfio-not-bound-stub-late",
    "pci-stub is to keep {bdf} from the host ({source}), but {driver} has it.",
)
TO_VFIO = say(
    "vfio-not-bound-stub-to-vfio",
    "pci-stub is often no part of the kernel, and then comes too late. Take its ids out"
    " of {source}, and have vfio-pci take the device at boot: `vfio-pci.ids={ids}`,"
    " with all functions of the card.",
)
KEEP = say(
    "vfio-not-bound-stub-needed",
    "Do not give it away: {why}. Take it out of {source}.",
)


class VfioNotBound(Check):
    """A device that is meant for a VM is not on vfio-pci.

    What it does:
    Looks at every device that vfio-pci is to take at boot (vfio-pci.ids,
    driver_override, scripts, driverctl), or that a VM expects to be taken already
    (managed='no'), and reports those on another driver or on none. It also reports
    functions of the same card and group that are left with the host's drivers. What
    libvirt or Proxmox takes when the VM starts is no fault. A driver_override that
    names another driver, and ids of pci-stub that came too late, are told as such. Of a
    card that nothing but --device names, a note says what stands in the way of giving
    it away.

    Why is this bad?
    The VM does not start, or libvirt pulls the driver from under the desktop and
    hangs. A card is more than its picture: its audio, USB and UCSI functions are in
    the same group, and a VM gets a group as a whole.

    How it is repaired:
    Mostly another driver was quicker. `vfio-doctor --fix --risky` gives the whole card
    to vfio-pci at boot: its ids become a kernel argument, softdep lines and a new
    initramfs of every kernel let vfio-pci come first. A card of which the host has a
    twin is bound by its address. Nothing is done if the host needs the card, or
    anything in its group. If driver_override is set and nobody asked the kernel to
    look for a driver, `vfio-doctor --fix` asks.
    If the initramfs loads the other driver first, only holds vfio-pci, or is older
    than the file with the ids, the finding says so.

    See it yourself:
        lspci -nnk
        cat /sys/bus/pci/devices/0000:01:00.0/driver_override

    False alarms:
    If a hook script of libvirt's binds the device when the VM starts, the driver
    that it has until then is no fault.
    """

    id = "vfio-not-bound"
    severity = Severity.ERROR
    title = "A device for a VM is not on vfio-pci"
    requires = ("iommu-off",)

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding a function, and one a card for what nobody names."""
        wanted = facts[WantedDevices]
        wanted.demand()
        for one in wanted.devices:
            if one.standing and _is_left(one.device):
                yield _unbound(one, facts)
            elif one.kinds == {ClaimKind.SETUP, ClaimKind.NOW}:
                yield _only_now(one)
            elif _stub_is_late(one):
                yield _not_stubbed(one, facts[HostNeeds])
        groups = members(facts[PciDevices].devices)
        told: set[str] = set()
        for one in wanted.devices:
            number = one.device.group
            inside = () if number is None else groups[number]
            left = tuple(
                other
                for other in inside
                if same_card(one.device, other)
                and blocks(other)
                and wanted.of(other.bdf) is None
                and other.bdf not in told
            )
            told.update(other.bdf for other in left)
            if left and one.kinds != {ClaimKind.ASKED} and not _stub_is_late(one):
                yield _siblings(one, left, facts[HostNeeds])
        yield from map(_asked, facts[AskedCards].cards)
        wanted.all_seen()


def _stub_is_late(one: Wanted) -> bool:
    """Tell whether pci-stub was to have it, and a driver of the host's has."""
    return ClaimKind.STUB in one.kinds and blocks(one.device)


def _not_stubbed(one: Wanted, needs: HostNeeds) -> Finding:
    device = one.device
    claim = next(c for c in one.claims if c.kind is ClaimKind.STUB)
    rows = (
        Evidence(claim.source, claim.word),
        Evidence(f"/sys/bus/pci/devices/{device.bdf}/driver", device.driver, STUB),
    )
    said = STUBBED.filled(bdf=device.bdf, source=claim.source, driver=device.driver)
    advice: Message | None = TO_VFIO.filled(ids=device.ids, source=claim.source)
    for need in sorted(needs.of(device.bdf), key=lambda need: not need.sure)[:1]:
        kept = KEEP.filled(why=need.why, source=claim.source)
        doubt = ADD_FIRST.filled(needed=need.bdf, why=need.why)
        advice = kept if need.sure else in_order(doubt, advice)
    return Finding(DevicePlace(device.bdf), said, rows, None, advice)


def _only_now(one: Wanted) -> Finding:
    """Return that a device which is to be bound at boot is bound by hand."""
    driver = one.device.driver
    row = Evidence(f"/sys/bus/pci/devices/{one.device.bdf}/driver", driver, VFIO_PCI)
    text = ONLY_NOW.filled(bdf=one.device.bdf, driver=driver)
    return Finding(
        DevicePlace(one.device.bdf), text, (row,), Severity.WARNING, NAME_IDS
    )


def _is_left(device: PciDevice) -> bool:
    """Tell whether no driver of VFIO's, nor pci-stub, has it; bridges never go."""
    return not device.class_.startswith(BRIDGE) and (
        not device.driver or blocks(device)
    )


def _unbound(one: Wanted, facts: Facts) -> Finding:
    device, claim = one.device, _first(one)
    rows: tuple[Evidence, ...] = (
        Evidence(claim.source, claim.word),
        Evidence(
            f"/sys/bus/pci/devices/{device.bdf}/driver",
            device.driver or NONE,
            VFIO_PCI,
        ),
    )
    place, severity = DevicePlace(device.bdf), None
    elsewhere = given_elsewhere(one, claim.source, facts)
    if elsewhere is not None:
        return Finding(place, elsewhere[0], rows, None, elsewhere[1])
    if not device.driver:
        overridden = ClaimKind.OVERRIDE in one.kinds
        pair = (MISSPELT, RESPELL) if is_misspelt(one) else (NOT_PROBED, PROBE)
        text, cure = pair if overridden else (NO_DRIVER, LOAD)
        said = {"bdf": device.bdf} | ({} if overridden else {"source": claim.source})
        advice = not_written(one, facts) or cure.filled(bdf=device.bdf)
        if idle := by_script(claim, facts):
            advice, severity = idle, Severity.WARNING
        rows = (*rows, *_empty_row(one, facts))
        return Finding(place, text.filled(**said), rows, severity, advice)
    other_vm = ClaimKind.VM in one.kinds and not device.is_display
    # The script is what is wrong: one cause, told there.
    if other_vm or by_script(claim, facts):
        severity = Severity.WARNING
    message = OTHER.filled(bdf=device.bdf, source=claim.source, driver=device.driver)
    rows = (*rows, *_late_row(one, claim, facts), *_empty_row(one, facts))
    return Finding(place, message, rows, severity, freed(one, claim, facts))


def _empty_row(one: Wanted, facts: Facts) -> tuple[Evidence, ...]:
    if not writer(one, facts):
        return ()
    path = f"/sys/bus/pci/devices/{one.device.bdf}/driver_override"
    return (Evidence(path, EMPTY, VFIO_PCI),)


def _late_row(one: Wanted, claim: Claim, facts: Facts) -> tuple[Evidence, ...]:
    """Return what lets the other driver come first, if the image tells."""
    late = late_image(one, claim, facts)
    return (Evidence(late.source, late.observed, late.expected),) if late else ()


def _first(one: Wanted) -> Claim:
    """Return the claim to show: what is to take it at boot, if anything."""
    by_kind = {claim.kind: claim for claim in reversed(one.claims)}
    for kind in FIRST:
        if kind in by_kind:
            return by_kind[kind]
    raise AssertionError(f"{one.device.bdf} is not to be bound")


def _siblings(one: Wanted, left: tuple[PciDevice, ...], needs: HostNeeds) -> Finding:
    main = one.device
    shown = tuple(f"{other.bdf} ({other.driver})" for other in left)
    text = SIBLING if len(left) == 1 else SIBLINGS
    rows = tuple(
        Evidence(f"/sys/bus/pci/devices/{other.bdf}/driver", other.driver, VFIO_PCI)
        for other in left
    )
    ids = tuple(dict.fromkeys(other.ids for other in left))
    advice = ADD.filled(ids=ids, main=main.bdf)
    needed = [need for other in left for need in needs.of(other.bdf)]
    for need in sorted(needed, key=lambda need: not need.sure)[:1]:
        first = ADD_FIRST.filled(needed=need.bdf, why=need.why)
        advice = first if need.sure else in_order(first, advice)
    return Finding(
        DevicePlace(main.bdf),
        text.filled(others=shown, main=main.bdf),
        rows,
        None,
        advice,
    )


def _asked(card: AskedCard) -> Finding:
    """Return what stands in the way of giving away what only --device names."""
    device, addresses = card.device, card.addresses
    path = f"/sys/bus/pci/devices/{device.bdf}/driver"
    row = Evidence(path, device.driver or NONE, VFIO_PCI)
    # A graphics driver often does not let go of a card while the host runs.
    advice = AT_BOOT if device.is_display else MANAGED
    text = IDLE.filled(devices=addresses, bdf=device.bdf)
    if card.reasons:
        sure = any(reason.id not in DOUBTS for reason in card.reasons)
        said = STAYS if sure else UNSURE
        text = said.filled(devices=addresses, reasons=card.reasons)
        advice = ELSEWHERE if sure else LOOK
    elif device.driver:
        driver = device.driver
        text = FREE.filled(devices=addresses, bdf=device.bdf, driver=driver)
    # Who only asks about a device has not set anything up wrongly.
    place = DevicePlace(device.bdf)
    return Finding(place, text, (row,), Severity.INFO, advice)
