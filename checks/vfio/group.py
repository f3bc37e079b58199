"""The group of a device that is meant for a VM, and who shares it."""

from __future__ import annotations

from vfio_doctor.api import (
    Acs,
    Check,
    DevicePlace,
    Evidence,
    Facts,
    Finding,
    GroupPlace,
    HostNeeds,
    Isolation,
    Iterator,
    Joint,
    KernelCmdline,
    Message,
    MissingFact,
    PciDevice,
    PciDevices,
    Severity,
    WantedDevices,
    acs_overrides,
    blocks,
    in_order,
    is_bridge,
    members,
    same_card,
    say,
)

SHARED = say(
    "vfio-group-shared",
    "{wanted} cannot be given to a VM: IOMMU group {group} also holds {others}, which"
    " the host has in use. A VM gets a whole group or none of it.",
)
FREE = say("vfio-group-free", "a VFIO driver, or none")
FREE_SINCE = say("vfio-group-free-needed", "a VFIO driver, or none; but {why}")
MOVE = say(
    "vfio-group-move-card",
    "Move the card to another slot, best to one that is wired to the processor: look at"
    " the group again with `vfio-doctor devices`. Look for ACS in the firmware setup"
    " too, and switch it on.",
)
CHIPSET = say(
    "vfio-group-of-chipset",
    "{wanted} is part of the chipset, so it cannot be moved to another group. Pass a"
    " device on a card of its own in its place.",
)
BRIDGE = say(
    "vfio-group-bridge",
    "{bridge} is the bridge that does not keep them apart: {why}.",
)
BY_GROUP = say(
    "vfio-group-bridge-in-group",
    "it is above {wanted} and in the group itself, which a bridge with ACS in force is"
    " not",
)
SEEN = {
    Acs.NONE: say("vfio-group-bridge-no-acs", "it has no ACS"),
    Acs.OFF: say("vfio-group-bridge-acs-off", "its ACS is not switched on"),
}
ACS_ON = say("vfio-group-acs-on", "ACS, switched on")
KEEP = say(
    "vfio-group-host-keeps",
    "Bind nothing else of the group to vfio-pci: the host needs {needed}.",
)
MAY_NEED = say(
    "vfio-group-host-may-need",
    "The host may need {needed}: look before you bind any of it to vfio-pci.",
)
NOT_SPLIT = say(
    "vfio-group-not-split",
    "pcie_acs_override has not split this group: either this kernel does not read it"
    " (then vfio-acs-override-idle says so), or its value does not cover the bridges"
    " above the group.",
)
GIVE = say(
    "vfio-group-give-too",
    "If the host can do without {others}, give them to the same VM as well, or bind"
    " them to vfio-pci.",
)
GIVE_ONE = say(
    "vfio-group-give-one-too",
    "If the host can do without {other}, give it to the same VM as well, or bind it to"
    " vfio-pci.",
)


class VfioGroupShared(Check):
    """A device that is meant for a VM shares its IOMMU group with one of the host's.

    What it does:
    Looks at the group of every device that is meant for a VM. It asks what the
    kernel asks: a member with a driver that is none of VFIO's keeps the whole group
    from VMs. A member without a driver does not matter, nor does a PCI bridge. The
    other functions of the device's own card are left to vfio-not-bound. It names the
    bridge that does not keep them apart: root can read whether a bridge has ACS, for
    anybody else the group tells.

    Why is this bad?
    The VM does not start: "group N is not viable. Please ensure all devices within
    the iommu_group are bound to their vfio bus driver". Devices of one group can
    reach each other's memory, so the kernel gives them away together.

    How it is repaired:
    By hand. The best cure is another slot: slots that are wired to the processor
    mostly have groups of their own, those behind the chipset mostly share one. If
    the host can do without the other devices, they can go to the VM too. A kernel
    with the ACS override patch splits groups without any protection behind it.

    See it yourself:
        vfio-doctor devices
        ls /sys/kernel/iommu_groups/*/devices

    False alarms:
    None are known: the kernel refuses. If a hook script takes the other devices'
    drivers away before the VM starts, this finding shows how it is until then.
    """

    id = "vfio-group-shared"
    severity = Severity.ERROR
    title = "A device for a VM shares its group with the host"
    requires = ("iommu-off",)

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding a group."""
        wanted = facts[WantedDevices]
        wanted.demand()
        groups = members(facts[PciDevices].devices)
        own = {one.device.bdf for one in wanted.devices}
        meant = members(one.device for one in wanted.devices)
        for number, inside in meant.items():
            others = tuple(
                other
                for other in groups[number]
                if other.bdf not in own
                and blocks(other)
                and not any(same_card(other, one) for one in inside)
            )
            if others:
                yield _shared(number, inside, others, facts)
        wanted.all_seen()


def _shared(
    number: int,
    inside: tuple[PciDevice, ...],
    others: tuple[PciDevice, ...],
    facts: Facts,
) -> Finding:
    wanted = tuple(one.bdf for one in inside)
    shown = tuple(f"{other.bdf} ({other.driver})" for other in others)
    message = SHARED.filled(wanted=wanted, group=number, others=shown)
    rows = tuple(_row(other, facts[HostNeeds]) for other in others)
    advice = _advice(inside, others, facts[HostNeeds])
    if _is_overridden(facts):
        advice = in_order(NOT_SPLIT, advice)
    one, joint = _joint(number, inside, facts)
    if joint is not None:
        why = SEEN[joint.acs] if joint.acs else BY_GROUP.filled(wanted=one)
        advice = in_order(BRIDGE.filled(bridge=joint.bridge, why=why), advice)
        rows = (*rows, *_space(joint))
    return Finding(GroupPlace(number), message, rows, None, advice)


def _is_overridden(facts: Facts) -> bool:
    try:
        return bool(acs_overrides(facts[KernelCmdline].line))
    except MissingFact:
        return False


def _joint(
    number: int, inside: tuple[PciDevice, ...], facts: Facts
) -> tuple[str, Joint | None]:
    """Return the bridge to blame, and which of the devices it is above."""
    group = members(facts[PciDevices].devices)[number]
    for one in inside:
        joint = facts[Isolation].joint(one.bdf, group)
        if joint is not None:
            return one.bdf, joint
    return "", None


def _space(joint: Joint) -> tuple[Evidence, ...]:
    if joint.acs is None:
        return ()
    path = f"/sys/bus/pci/devices/{joint.bridge}/config"
    return (Evidence(path, SEEN[joint.acs], ACS_ON),)


def _row(other: PciDevice, needs: HostNeeds) -> Evidence:
    source = f"/sys/bus/pci/devices/{other.bdf}/driver"
    found = needs.of(other.bdf)
    expected = FREE_SINCE.filled(why=found[0].why) if found else FREE
    return Evidence(source, other.driver, expected)


def _advice(
    inside: tuple[PciDevice, ...], others: tuple[PciDevice, ...], needs: HostNeeds
) -> Message:
    sure: list[str] = []
    unsure: list[str] = []
    free: list[str] = []
    for other in others:
        found = needs.of(other.bdf)
        kept = sure if any(n.sure for n in found) else unsure if found else free
        kept.append(other.bdf)
    return in_order(
        _elsewhere(inside),
        KEEP.filled(needed=tuple(sure)) if sure else None,
        MAY_NEED.filled(needed=tuple(unsure)) if unsure else None,
        _give(free) if free and not sure else None,
    )


def _give(free: list[str]) -> Message:
    if len(free) == 1:
        return GIVE_ONE.filled(other=free[0])
    return GIVE.filled(others=tuple(free))


def _elsewhere(inside: tuple[PciDevice, ...]) -> Message:
    """Return how to get into another group; what is on bus 0 cannot."""
    fixed = tuple(one.bdf for one in inside if ":00:" in one.bdf)
    return CHIPSET.filled(wanted=fixed) if len(fixed) == len(inside) else MOVE


NO_GROUP = say(
    "vfio-no-group",
    "{bdf} is meant for a VM ({source}), but the kernel has put it into no IOMMU group:"
    " no VM can get it.",
)
A_GROUP = say("vfio-no-group-wanted", "a group")
NONE = say("vfio-no-group-none", "none")
ANOTHER = say(
    "vfio-no-group-another",
    "Pass another device. What is behind a controller of its own (Intel VMD: 'RST' or"
    " 'VMD' in the firmware setup) has no group: switch that off if the system does"
    " without.",
)
LEFT_OUT = say(
    "vfio-no-group-left-out",
    "{word} leaves the processor's graphics out of the IOMMU. Take that word out of"
    " intel_iommu=, so that `intel_iommu=on` is left, and reboot.",
)
TAKE_IN = say(
    "vfio-no-group-take-in",
    "Some kernels (Debian's) leave the processor's graphics out of the IOMMU unless"
    " they are told: add the kernel argument `intel_iommu=on`, and reboot. If that does"
    " not help, pass another device.",
)
OUT = ("igfx_off", "intgpu_off")


class VfioNoGroup(Check):
    """A device that is meant for a VM has no IOMMU group.

    What it does:
    If the IOMMU is on, it looks whether each device that is meant for a VM has a
    group. Bridges are passed over.

    Why is this bad?
    A VM gets groups, not devices: "no iommu_group found", "vfio-pci: probe of ...
    failed with error -22". The IOMMU that this device goes through is off or is not
    described by the firmware, or another controller stands for the device. The
    processor's graphics of Intel's are left out by intel_iommu=igfx_off, and by
    Debian's kernels unless intel_iommu=on is given.

    How it is repaired:
    By hand: with another kernel argument, in the firmware setup, or with another
    device.

    See it yourself:
        ls -l /sys/bus/pci/devices/0000:01:00.0/iommu_group
        vfio-doctor devices

    False alarms:
    None are known.
    """

    id = "vfio-no-group"
    severity = Severity.ERROR
    title = "A device for a VM has no IOMMU group"
    requires = ("iommu-off",)

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding a device."""
        wanted = facts[WantedDevices]
        wanted.demand()
        for one in wanted.devices:
            device = one.device
            if device.group is None and not is_bridge(device):
                source = one.claims[0].source
                path = f"/sys/bus/pci/devices/{device.bdf}/iommu_group"
                message = NO_GROUP.filled(bdf=device.bdf, source=source)
                rows = (Evidence(path, NONE, A_GROUP),)
                place = DevicePlace(device.bdf)
                advice = _with_a_group(device, facts)
                yield Finding(place, message, rows, None, advice)
        wanted.all_seen()


def _with_a_group(device: PciDevice, facts: Facts) -> Message:
    """Return what gives it a group: Intel's graphics are left out by arguments."""
    if not device.is_intel_graphics:
        return ANOTHER
    try:
        values = facts[KernelCmdline].line.values("intel_iommu")
    except MissingFact:
        return ANOTHER
    words = [word for value in values for word in (value or "").split(",")]
    for word in OUT:
        if word in words:
            return LEFT_OUT.filled(word=word)
    return ANOTHER if "on" in words else TAKE_IN
