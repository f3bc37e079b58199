"""Several lists of ids for vfio-pci, of which the last one counts."""

from __future__ import annotations

from vfio_doctor.api import (
    Check,
    Evidence,
    Facts,
    FilePlace,
    Finding,
    HostNeeds,
    HostPlace,
    Iterator,
    KernelCmdline,
    ModuleConfig,
    ModuleOption,
    NotApplicable,
    PciDevice,
    PciDevices,
    Severity,
    WantedDevices,
    known,
    parse_ids,
    say,
)

ONE_LIST = say("vfio-ids-one-list", "vfio-pci gets one list of ids, or none")
OVERRIDDEN = say(
    "vfio-ids-overridden",
    "vfio-pci gets more than one list of ids, and the last one counts ({last}):"
    " {ids} in {source} is lost, which stands for {devices}.",
)
IN_LAST = say("vfio-ids-in-last", "among the ids of the last list")
JOIN = say(
    "vfio-ids-join",
    "Write all ids into one list, with commas: `vfio-pci.ids={ids}`, and take the other"
    " out. If {lost} is not meant for a VM any more, take that list out.",
)
DROP = say(
    "vfio-ids-drop",
    "Take {lost} out of {source}: the host may need {needed} ({why}).",
)


class VfioIdsOverridden(Check):
    """A list of ids for vfio-pci is overridden by a later one.

    What it does:
    Looks for more than one list of ids, among the kernel arguments and in modprobe.d.
    It reports ids of an earlier list that the last one does not have, if a device of
    this host has them, and no driver of VFIO's.

    Why is this bad?
    The kernel takes the last list, and an argument goes before modprobe.d: what only
    an earlier list names is not bound, and nothing says so.

    How it is repaired:
    By hand: one list with all ids.

    See it yourself:
        cat /proc/cmdline
        modprobe -c | grep vfio_pci

    False alarms:
    A list that was left on purpose, to be overridden by an entry of the boot menu.
    """

    id = "vfio-ids-overridden"
    severity = Severity.WARNING
    title = "A list of ids for vfio-pci is overridden by a later one"

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding a list."""
        facts[WantedDevices].demand()
        config = facts[ModuleConfig]
        given = config.values("vfio_pci", "ids", facts[KernelCmdline].line)
        if len(given) < 2:
            for unread in config.unread:
                known(unread)
            raise NotApplicable(ONE_LIST)
        last = given[-1]
        kept = (last.value or "").split(",")
        for earlier in given[:-1]:
            items = (item for item in (earlier.value or "").split(",") if item)
            lost = tuple(dict.fromkeys(item for item in items if item not in kept))
            devices = tuple(_left(lost, facts))
            if devices:
                needs = facts[HostNeeds]
                yield _overridden(earlier, last, lost, devices, needs)
        facts[WantedDevices].all_seen()


def _left(lost: tuple[str, ...], facts: Facts) -> Iterator[PciDevice]:
    """Yield the devices that only the lost ids stand for, and nothing has bound."""
    patterns = parse_ids(",".join(lost))[0]
    for device in facts[PciDevices].devices:
        claimed = facts[WantedDevices].of(device.bdf)
        if claimed is not None and (claimed.held or claimed.standing):
            continue
        named = (device.vendor, device.device, device.subsystem, device.class_)
        if any(pattern.matches(*named) for pattern in patterns):
            yield device


def _overridden(
    earlier: ModuleOption,
    last: ModuleOption,
    lost: tuple[str, ...],
    devices: tuple[PciDevice, ...],
    needs: HostNeeds,
) -> Finding:
    shown = tuple(device.bdf for device in devices)
    message = OVERRIDDEN.filled(
        last=last.source, ids=lost, source=earlier.source, devices=shown
    )
    rows = (
        Evidence(earlier.source, f"ids={earlier.value}", IN_LAST),
        Evidence(last.source, f"ids={last.value}"),
    )
    joined = ",".join((*filter(None, (last.value or "").split(",")), *lost))
    place = earlier.place or HostPlace()
    assert isinstance(place, FilePlace | HostPlace)
    advice = JOIN.filled(ids=joined, lost=lost)
    for need in (need for bdf in shown for need in needs.of(bdf)):
        named = {"source": earlier.source, "needed": need.bdf, "why": need.why}
        advice = DROP.filled(lost=lost, **named)
        break
    return Finding(place, message, rows, None, advice)
