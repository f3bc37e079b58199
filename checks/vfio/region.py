"""Memory that the firmware reserves for a device that is meant for a VM."""

from __future__ import annotations

from vfio_doctor.api import (
    Actor,
    Board,
    Check,
    Evidence,
    Facts,
    Finding,
    GroupPlace,
    IommuMaker,
    Iterator,
    KernelRelease,
    Missing,
    NotApplicable,
    PciDevice,
    Severity,
    WantedDevices,
    WantedRegions,
    Why,
    known,
    members,
    regions_path,
    say,
)

DIRECT = "direct"
# Linux 5.3 tells the regions of USB and graphics, which it lets pass, from others.
TELLS_APART = (5, 3)
# Linux 6.6 refuses such devices whatever IOMMU there is, before that VT-d alone did.
ANY_IOMMU = (6, 6)
NO_GROUPS = say("vfio-region-no-group", "no device that is meant for a VM has a group")
RESERVED = say(
    "vfio-region-direct",
    "The firmware wants {wanted} to reach memory of its own at all times, so the kernel"
    " gives no VM a device of this group.",
)
NONE = say("vfio-region-none", "no region of type {kind}")
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
    have, is no obstacle; nor is "msi" or "reserved".

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
            wanted.all_seen()
            raise NotApplicable(NO_GROUPS)
        version = _version(facts[KernelRelease].release)
        if facts[IommuMaker].amd and version < ANY_IOMMU:
            wanted.all_seen()
            return
        unread = []
        for number, regions in facts[WantedRegions].regions:
            inside = meant[number]
            if isinstance(regions, Missing):
                # Before Linux 4.12 the file did not exist.
                unread += [] if regions.why is Why.ABSENT else [regions]
                continue
            found = tuple(one.text for one in regions if one.kind == DIRECT)
            if found and not (version < TELLS_APART and _is_exempt(inside)):
                yield _direct(number, inside, found, facts)
        for missing in unread:
            known(missing)
        wanted.all_seen()


def _is_exempt(inside: tuple[PciDevice, ...]) -> bool:
    """Tell whether the kernel lets these pass (device_rmrr_is_relaxable)."""
    return all(one.is_display or one.class_.startswith("0c03") for one in inside)


def _version(release: str) -> tuple[int, ...]:
    parts = release.split("-")[0].split(".")[:2]
    return tuple(int(part) for part in parts if part.isdigit())


def _direct(
    number: int, inside: tuple[PciDevice, ...], found: tuple[str, ...], facts: Facts
) -> Finding:
    wanted = tuple(one.bdf for one in inside)
    message = RESERVED.filled(wanted=wanted)
    nothing = NONE.filled(kind=DIRECT)
    rows = tuple(Evidence(regions_path(number), text, nothing) for text in found)
    board = facts[Board]
    vendors = f"{board.vendor} {board.system_vendor}".lower().split()
    hp = {"hp", "hpe", "hewlett-packard"}.intersection(vendors)
    advice = HP_TOOL if hp else VENDOR.filled(board=board.title)
    return Finding(GroupPlace(number), message, rows, None, advice, Actor.VENDOR)
