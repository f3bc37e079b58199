"""Memory that the firmware reserves for a device that is meant for a VM."""

from __future__ import annotations

from vfio_doctor.api import (
    DIRECT,
    KERNEL_LOG,
    Actor,
    Board,
    Check,
    Conclusion,
    DirectRegions,
    Evidence,
    Facts,
    Finding,
    GroupPlace,
    Iterator,
    KernelMessages,
    MissingFact,
    PciDevice,
    Severity,
    WantedDevices,
    known,
    members,
    regions_path,
    say,
)

NO_GROUPS = say("vfio-region-no-group", "no device that is meant for a VM has a group")
RESERVED = say(
    "vfio-region-direct",
    "The firmware wants {wanted} to reach memory of its own at all times, so the kernel"
    " gives no VM a device of this group.",
)
NONE = say("vfio-region-none", "no region of type {kind}")
SAID_NOTHING = say("vfio-region-no-line", "no such line")
HP_TOOL = say(
    "vfio-region-hp",
    "Exclude the slot from HP's shared memory with HPE's scripting toolkit"
    ' (`conrep`, "RMRDS"), put the card into another slot, or update the firmware.',
)
VENDOR = say(
    "vfio-region-vendor",
    "Ask the vendor of {board} how to exclude the device from reserved memory (RMRR),"
    " put the card into another slot, or update the firmware.",
)


class VfioDirectRegion(Check):
    """The firmware reserves memory for a device that is meant for a VM.

    What it does:
    Reads the reserved regions of the groups of all devices that are meant for a VM,
    and reports those of type "direct". "direct-relaxable", which graphics and USB
    have, is no obstacle; nor is "msi" or "reserved". If the kernel has refused a
    device since it was booted, its log counts, too.

    Why is this bad?
    The device must reach that memory at all times, for the firmware's sake (RMRR).
    In a VM it could not, so the kernel refuses: "Device is ineligible for IOMMU
    domain attach due to platform RMRR requirement" or "Firmware has requested this
    device have a 1:1 IOMMU mapping". It is common on servers of HP and Dell.

    How it is repaired:
    By hand: with the vendor's tool, a firmware update, or another slot. Patched
    kernels that ignore the reservation are a risk to the host's memory.

    See it yourself:
        grep -l direct$ /sys/kernel/iommu_groups/*/reserved_regions
        sudo journalctl -k -b | grep -e RMRR -e '1:1 IOMMU mapping'

    False alarms:
    A kernel that is patched to ignore RMRR gives the device away all the same.
    """

    id = "vfio-direct-region"
    severity = Severity.ERROR
    title = "The firmware keeps memory of a device for a VM"
    requires = ("iommu-off",)

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding a group."""
        wanted = facts[WantedDevices]
        wanted.demand()
        meant = members(one.device for one in wanted.devices)
        if not meant:
            wanted.none(NO_GROUPS)
        held = facts[DirectRegions]
        shown = dict(held.groups)
        for number, inside in meant.items():
            rows = (*_regions(number, shown.get(number, ())), *_refused(inside, facts))
            if rows:
                yield _direct(number, inside, rows, facts)
        for missing in held.unread:
            known(missing)
        wanted.all_seen()


def _regions(number: int, found: tuple[str, ...]) -> Iterator[Evidence]:
    nothing = NONE.filled(kind=DIRECT)
    for text in found:
        yield Evidence(regions_path(number), text, nothing)


def _refused(inside: tuple[PciDevice, ...], facts: Facts) -> Iterator[Evidence]:
    """Yield the line of the log by which the kernel refused each device."""
    try:
        found = facts[KernelMessages].log.of(Conclusion.DIRECT_REGION)
    except MissingFact:
        return
    lines = {match.device: match.line for match in found}
    for one in inside:
        if one.bdf in lines:
            yield Evidence(KERNEL_LOG, lines[one.bdf], SAID_NOTHING)


def _direct(
    number: int,
    inside: tuple[PciDevice, ...],
    rows: tuple[Evidence, ...],
    facts: Facts,
) -> Finding:
    wanted = tuple(one.bdf for one in inside)
    message = RESERVED.filled(wanted=wanted)
    board = facts[Board]
    vendors = f"{board.vendor} {board.system_vendor}".lower().split()
    hp = {"hp", "hpe", "hewlett-packard"}.intersection(vendors)
    server = hp and "proliant" in f"{board.name} {board.product}".lower()
    advice = HP_TOOL if server else VENDOR.filled(board=board.title)
    return Finding(GroupPlace(number), message, rows, None, advice, Actor.VENDOR)
