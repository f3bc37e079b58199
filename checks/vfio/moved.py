"""Groups and addresses that are others than when the host was set up."""

from __future__ import annotations

from vfio_doctor.api import (
    RECORD,
    Check,
    Claim,
    ClaimKind,
    DevicePlace,
    Evidence,
    Facts,
    Finding,
    Iterator,
    NotApplicable,
    PciDevice,
    PciDevices,
    RecordedGroups,
    Severity,
    Wanted,
    WantedDevices,
    blocks,
    members,
    same_card,
    say,
)

# What the kernel shows, or the person names now, was written down by nobody.
TOLD = frozenset((ClaimKind.NOW, ClaimKind.OVERRIDE, ClaimKind.ASKED, ClaimKind.SETUP))
NOT_RECORDED = say(
    "vfio-moved-not-recorded", "no set-up of this program has noted the groups"
)
OTHER_DEVICE = say(
    "vfio-moved-other-device",
    "{source} means what is at {bdf}: that was {then} when the host was set up, and is"
    " {now} now.",
)
THERE_NOW = say(
    "vfio-moved-there-now",
    "{then} is at {address} now. Correct {source}, and"
    " look at the group there: `vfio-doctor devices`.",
)
NOT_THERE = say(
    "vfio-moved-not-there",
    "{then} is nowhere now. Look which device is meant (`vfio-doctor devices`), and"
    " correct {source}.",
)
JOINED = say(
    "vfio-moved-joined",
    "{others} shares the group of {bdf} now, and did not when the host was set up: it"
    " was added, or the kernel, the firmware or a slot is another.",
)
LOOK = say(
    "vfio-moved-look",
    "What the group means for the VM says vfio-group-shared. If an update of the kernel"
    " or of the firmware came between, look what it changed; else move the card back.",
)


class VfioGroupsMoved(Check):
    """A device for a VM has changed its address or its group since set-up.

    What it does:
    `vfio-doctor setup passthrough` notes the card's functions, their ids and groups.
    This check compares: whether an address that somebody has written down for a VM
    now belongs to another device, and whether a device of the host's has come into the
    group of a device for a VM.

    Why is this bad?
    A new card, a firmware update or another kernel can number buses and groups anew.
    What is written down by address then means another device, and a VM may get the
    host's.

    How it is repaired:
    By hand: correct the address where it is written down.

    See it yourself:
        vfio-doctor devices
        sudo cat /var/lib/vfio-doctor/groups

    False alarms:
    If you have moved the card or added another on purpose, a new group is only
    information. Set the host up again, and it is noted anew.
    """

    id = "vfio-groups-moved"
    severity = Severity.WARNING
    title = "PCI addresses or IOMMU groups have changed since set-up"

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding a function that has moved."""
        wanted = facts[WantedDevices]
        wanted.demand()
        then = facts[RecordedGroups]
        if not then.groups:
            raise NotApplicable(NOT_RECORDED)
        groups = members(facts[PciDevices].devices)
        for one in wanted.devices:
            yield from _other_device(one, facts)
            yield from _joined(one.device, groups, then)
        wanted.all_seen()


def _other_device(one: Wanted, facts: Facts) -> Iterator[Finding]:
    device, then = one.device, facts[RecordedGroups].of(one.device.bdf)
    claim = _by_address(one)
    if then is None or claim is None or then.ids == device.ids:
        return
    message = OTHER_DEVICE.filled(
        source=claim.source, bdf=device.bdf, then=then.ids, now=device.ids
    )
    found = [d.bdf for d in facts[PciDevices].devices if d.ids == then.ids]
    advice = NOT_THERE.filled(then=then.ids, source=claim.source)
    if found:
        advice = THERE_NOW.filled(then=then.ids, address=found[0], source=claim.source)
    path = f"/sys/bus/pci/devices/{device.bdf}/uevent"
    rows = (Evidence(*claim.row), Evidence(path, device.ids, then.ids))
    yield Finding(DevicePlace(device.bdf), message, rows, None, advice)


def _by_address(one: Wanted) -> Claim | None:
    """Return who has written its address down: not the kernel, nor the command line."""
    written = (c for c in one.claims if c.address and c.kind not in TOLD)
    return next(written, None)


def _joined(
    device: PciDevice, groups: dict[int, tuple[PciDevice, ...]], then: RecordedGroups
) -> Iterator[Finding]:
    before = then.of(device.bdf)
    if before is None or before.ids != device.ids or device.group is None:
        return
    others = [
        other
        for other in groups[device.group]
        if other.bdf not in (*before.members, device.bdf)
        and blocks(other)
        and not same_card(device, other)
    ]
    if not others:
        return
    shown = tuple(f"{other.bdf} ({other.driver})" for other in others)
    message = JOINED.filled(others=shown, bdf=device.bdf)
    row = Evidence(RECORD, str(before.group), str(device.group))
    place = DevicePlace(device.bdf)
    yield Finding(place, message, (row,), Severity.INFO, LOOK)
