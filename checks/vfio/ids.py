"""Ids and addresses that name no device of this host."""

from __future__ import annotations

from vfio_doctor.api import (
    ArgumentPlace,
    Check,
    Claim,
    ClaimKind,
    DevicePlace,
    Evidence,
    Facts,
    FilePlace,
    Finding,
    HostNeeds,
    HostPlace,
    IdlePhysicals,
    IdPattern,
    Iterator,
    Message,
    NotApplicable,
    PciDevices,
    PhysicalFunction,
    Place,
    Severity,
    VfioIds,
    VmPlace,
    WantedDevices,
    known,
    say,
)

NO_LIST = say("vfio-ids-no-list", "nothing gives vfio-pci a list of ids")
A_PAIR = say("vfio-ids-pair", "vendor:device, as `lspci -nn` shows it in brackets")
PRESENT = say("vfio-ids-present", "ids of a device that is there")
ADDRESS = say(
    "vfio-ids-address",
    "{item} is the address of a device, but vfio-pci.ids takes ids: vfio-pci takes no"
    " device for it.",
)
REFUSED = say(
    "vfio-ids-refused",
    "{item} in the list of ids is no pair of ids: vfio-pci skips it.",
)
NOT_HERE = say(
    "vfio-ids-not-here",
    "{item} in the list of ids stands for no device of this host: vfio-pci takes no"
    " device for it.",
)
WRITE_IDS = say(
    "vfio-ids-write-ids",
    "Write the ids that `vfio-doctor devices` shows for the device you mean. Ids stand"
    " for every device of the same model: look whether the host has one too.",
)
CORRECT = say(
    "vfio-ids-correct",
    "Compare it with the ids that `vfio-doctor devices` shows, and correct it or take"
    " it out.",
)

SWAPPED = say(
    "vfio-ids-swapped",
    "The vendor comes first: {right} stands for {devices}. Write that, if the host can"
    " do without.",
)
SWAPPED_NEEDED = say(
    "vfio-ids-swapped-needed",
    "The vendor comes first, but {right} stands for {device}, and the host keeps that:"
    " {why}. Take {item} out.",
)
LAST_SCREEN = say("vfio-ids-last-screen", "there is no other graphics card")


class VfioIdsMatchNothing(Check):
    """An entry of vfio-pci's list of ids stands for no device.

    What it does:
    Reads the list that vfio-pci gets, from the kernel arguments or modprobe.d, as the
    kernel reads it: pairs of vendor and device ids with a comma between them. It
    reports what is no such pair, and pairs that no device here has.

    Why is this bad?
    The device that was meant stays with its old driver. A bus address such as
    01:00.0 looks right, and the kernel takes it without a word: for it, that is
    vendor 0001, device 0000.

    How it is repaired:
    By hand. Take care which ids you write: they stand for every device of the same
    model, and one of these may be the host's only card.

    See it yourself:
        lspci -nn
        grep -o 'vfio-pci.ids=[^ ]*' /proc/cmdline
        modprobe -c | grep 'options vfio_pci'

    False alarms:
    A list that serves several computers, or a card that is sometimes taken out,
    names devices that are not there: that does no harm.
    """

    id = "vfio-ids-match-nothing"
    severity = Severity.WARNING
    title = "Ids given to vfio-pci stand for no device"

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding an entry."""
        found = facts[VfioIds]
        if not found.entries:
            if found.unread:
                known(found.unread)
            facts[WantedDevices].demand()
            raise NotApplicable(NO_LIST)
        devices = facts[PciDevices].devices
        for entry in found.entries:
            if entry.is_address:
                yield _wrong(entry.source, entry.text, ADDRESS, A_PAIR, WRITE_IDS)
            elif entry.pattern is None:
                yield _wrong(entry.source, entry.text, REFUSED, A_PAIR, WRITE_IDS)
            elif not any(
                entry.pattern.matches(d.vendor, d.device, d.subsystem, d.class_)
                for d in devices
            ):
                for unread in facts[PciDevices].unread:
                    known(unread)
                advice = _swapped(entry.text, entry.pattern, facts) or CORRECT
                yield _wrong(entry.source, entry.text, NOT_HERE, PRESENT, advice)
        if found.unread:
            known(found.unread)


def _swapped(item: str, pattern: IdPattern, facts: Facts) -> Message | None:
    """Return what the ids stand for the other way round, if that is a device here."""
    turned = pattern._replace(vendor=pattern.device, device=pattern.vendor)
    every = facts[PciDevices]
    found = [
        d
        for d in every.devices
        if turned.matches(d.vendor, d.device, d.subsystem, d.class_)
    ]
    if not found:
        return None
    screens = [d for d in found if d.is_display]
    needs = (need for d in found for need in facts[HostNeeds].of(d.bdf))
    kept = {need.bdf: need.why for need in needs if need.sure}
    if screens and len(screens) == len(every.displays):
        kept.setdefault(screens[0].bdf, LAST_SCREEN)
    for device, why in kept.items():
        said = {"right": found[0].ids, "device": device, "item": item}
        return SWAPPED_NEEDED.filled(why=why, **said)
    named = tuple(d.bdf for d in found)
    return SWAPPED.filled(right=found[0].ids, devices=named)


def _wrong(
    source: str, item: str, text: Message, wanted: Message, advice: Message
) -> Finding:
    rows = (Evidence(source, item, wanted),)
    message = text.filled(item=item)
    return Finding(_place(source, item), message, rows, None, advice)


def _place(source: str, item: str) -> Place:
    path, _, line = source.rpartition(":")
    if path and line.isdigit():
        return FilePlace(path, int(line))
    return ArgumentPlace(item, source)


GONE = say(
    "vfio-device-gone",
    "{path} gives {address} to a VM, but there is no device at that address.",
)
VIRTUAL = say(
    "vfio-device-gone-virtual",
    "{path} gives {address} to a VM, and there is no device at that address. {physical}"
    " on the same bus can make virtual functions, but makes none: vfio-pci has it.",
)
NO_DRIVER = say(
    "vfio-device-gone-virtual-no-driver",
    "{path} gives {address} to a VM, and there is no device at that address. {physical}"
    " on the same bus can make virtual functions, but makes none: it has no driver.",
)
NONE_MADE = say(
    "vfio-device-gone-virtual-none-made",
    "{path} gives {address} to a VM, and there is no device at that address. {physical}"
    " on the same bus can make virtual functions, but makes none since it was booted.",
)
MAKE = say(
    "vfio-device-gone-make",
    "If {address} is to be a virtual function, let the host's driver have {physical},"
    " and write how many you want to its sriov_numvfs at every boot (a udev rule or a"
    " unit): the kernel forgets them. Else correct the VM's definition.",
)
KEEP_PHYSICAL = say(
    "vfio-device-gone-keep-physical",
    "If {address} is to be a virtual function, leave {physical} with the host's driver,"
    " and write how many you want to its sriov_numvfs at every boot. If it was meant"
    " itself, correct the VM's definition.",
)
AT_LEAST_ONE = say("vfio-device-gone-one-or-more", "1 or more")
A_DEVICE = say("vfio-device-there", "a device at that address")
ADDRESSES_MOVE = say(
    "vfio-device-addresses-move",
    "Look where the device is now with `vfio-doctor devices`, and correct the VM's"
    " definition. Addresses change if a card is added, moved or switched off in the"
    " firmware setup.",
)
NO_ADDRESS = say("vfio-device-no-address", "no VM is given a device by its address")
NOT_HERE_ASKED = say(
    "vfio-device-gone-asked", "{option} stands for no device of this host."
)
AT_BOOT = say(
    "vfio-device-gone-at-boot",
    "{path} gives {address} to vfio-pci, but there is no device at that address.",
)
MOVED = say(
    "vfio-device-gone-moved",
    "Look where the device is now with `vfio-doctor devices`, and write that address."
    " Addresses change if a card is added, moved or switched off in the firmware setup."
    " What is at an address later is bound, whatever it is.",
)
LOOK = say(
    "vfio-device-gone-look",
    "Look which devices there are: `vfio-doctor devices`.",
)
VM_KINDS = (ClaimKind.VM, ClaimKind.UNMANAGED)
BINDING = (ClaimKind.BOOT, ClaimKind.NEXT)
ASKED = (ClaimKind.ASKED, ClaimKind.SETUP)


class VfioDeviceGone(Check):
    """A VM is given a device that is not there.

    What it does:
    Looks up every PCI address in the definitions of VMs (libvirt's <hostdev>,
    Proxmox's hostpci), and in what binds devices by address at boot (driverctl,
    scripts, Unraid's list), and reports those without a device. It says so if a network
    card could make the virtual function that the VM may mean, and makes none. What you
    name with --device is looked up as well.

    Why is this bad?
    The VM does not start ("Device ... not found"). And if another device has moved
    to an address that a VM names, the VM takes that one away from the host.

    How it is repaired:
    By hand: write the new address. Addresses are given out at boot, in the order of
    the slots; one more card can move all those behind it.

    See it yourself:
        vfio-doctor devices
        sudo grep -A4 '<hostdev' /etc/libvirt/qemu/*.xml

    False alarms:
    A VM that you keep for another state of the hardware, such as a card in an
    external box, names what is not always there.
    """

    id = "vfio-device-gone"
    severity = Severity.WARNING
    title = "A VM is given a device that is not there"

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding an address and definition."""
        wanted = facts[WantedDevices]
        wanted.demand()
        every = (*wanted.lost, *(c for one in wanted.devices for c in one.claims))
        if not any(map(_is_judged, every)) and not wanted.unread:
            raise NotApplicable(NO_ADDRESS)
        for claim in wanted.lost:
            if claim.kind in VM_KINDS:
                yield _gone(claim, facts)
            elif claim.kind in BINDING and claim.address:
                yield _moved(claim)
            elif claim.kind in ASKED:
                message = NOT_HERE_ASKED.filled(option=claim.source)
                rows = (Evidence(claim.source, claim.word, A_DEVICE),)
                yield Finding(HostPlace(), message, rows, None, LOOK)
        wanted.all_seen()


def _is_judged(claim: Claim) -> bool:
    by_address = claim.kind in BINDING and bool(claim.address)
    return by_address or claim.kind in (*VM_KINDS, *ASKED)


def _moved(claim: Claim) -> Finding:
    """Return that what binds a device by its address binds none."""
    rows = (Evidence(claim.source, claim.word, A_DEVICE),)
    message = AT_BOOT.filled(path=claim.source, address=claim.address)
    place = DevicePlace(claim.address)
    return Finding(place, message, rows, None, MOVED)


def _gone(claim: Claim, facts: Facts) -> Finding:
    path, address = claim.source, claim.address
    rows = (Evidence(path, address, A_DEVICE),)
    place = VmPlace(address, path)
    physical = _physical(address, facts)
    if physical is not None:
        return _virtual(claim, physical, rows)
    message = GONE.filled(path=path, address=address)
    return Finding(place, message, rows, None, ADDRESSES_MOVE)


def _virtual(
    claim: Claim, physical: PhysicalFunction, rows: tuple[Evidence, ...]
) -> Finding:
    """Return that a virtual function is meant, which the physical one does not make."""
    held = "vfio" in physical.driver
    text = VIRTUAL if held else NONE_MADE if physical.driver else NO_DRIVER
    advice = KEEP_PHYSICAL if held else MAKE
    named = {"address": claim.address, "physical": physical.bdf}
    source = f"/sys/bus/pci/devices/{physical.bdf}/sriov_numvfs"
    return Finding(
        VmPlace(claim.address, claim.source),
        text.filled(path=claim.source, **named),
        (*rows, Evidence(source, "0", AT_LEAST_ONE)),
        Severity.ERROR,
        advice.filled(**named),
    )


def _physical(address: str, facts: Facts) -> PhysicalFunction | None:
    """Return a function of that bus that can make others and makes none."""
    bus = address.rpartition(":")[0]
    same = (p for p in facts[IdlePhysicals].found if p.bdf.rpartition(":")[0] == bus)
    return next(same, None)
