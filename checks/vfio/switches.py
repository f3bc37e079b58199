"""Switches of VFIO's that give protection up, and help nobody here."""

from __future__ import annotations

from vfio_doctor.api import (
    Check,
    Cpu,
    Evidence,
    Facts,
    Finding,
    Generated,
    HostPlace,
    InterruptRemapping,
    Iommu,
    Iterator,
    Message,
    Missing,
    MissingFact,
    NotApplicable,
    Severity,
    VfioSwitch,
    VfioSwitches,
    WantedDevices,
    in_order,
    known,
    say,
)

OFF = say("vfio-switch-off", "N, or not there")
NOT_SET = say("vfio-switch-not-set", "not set")
TAKE_OUT = say(
    "vfio-switch-take-out",
    "Take {word} out of {source}, build the initramfs anew, and reboot.",
)
TAKE_OUT_ARGUMENT = say(
    "vfio-switch-take-out-argument",
    "Take {word} out of the kernel arguments, and reboot.",
)
TAKE_OUT_NIXOS = say(
    "vfio-switch-take-out-nixos",
    "Take {word} out of configuration.nix, run `sudo nixos-rebuild boot`, and reboot.",
)
BY_SCRIPT = say(
    "vfio-switch-by-script",
    "No kernel argument and no file in modprobe.d sets it: find the script that writes"
    " to {path}, and take that out.",
)
ENDS = say(
    "vfio-switch-ends",
    "Reboot: the kernel arguments of the next boot no longer have {word}.",
)
MODE_AHEAD = say(
    "vfio-no-iommu-mode-ahead",
    "VFIO's no-IOMMU mode will be on when the module vfio is next loaded ({word}): it"
    " gives no VM a device, and a program that opens a device in this mode can reach"
    " all of the host's memory.",
)
MODE = say(
    "vfio-no-iommu-mode",
    "VFIO's no-IOMMU mode is on ({word}): it gives no VM a device, and a program that"
    " opens a device in this mode can reach all of the host's memory.",
)
NEEDS_IOMMU = say(
    "vfio-no-iommu-mode-iommu",
    "QEMU wants a real IOMMU: see iommu-off for how to switch that on.",
)


class VfioNoIommuMode(Check):
    """VFIO's no-IOMMU mode is on.

    What it does:
    If a device is meant for a VM, it looks whether the module vfio has
    enable_unsafe_noiommu_mode on: in the running kernel, among the kernel arguments
    and in modprobe.d. It is a warning if the IOMMU is off, and a note if that is on
    or if this system is a virtual machine itself.

    Why is this bad?
    Guides for network programs (DPDK) name it as the cure for a missing IOMMU. QEMU
    does not take such a device: the VM does not start. A program that does take it
    can read and overwrite all memory, and the kernel marks itself as tainted.

    How it is repaired:
    By hand: take it out where it is set, and switch the IOMMU on.

    See it yourself:
        cat /sys/module/vfio/parameters/enable_unsafe_noiommu_mode
        grep -rs noiommu /etc/modprobe.d /proc/cmdline

    False alarms:
    If you use DPDK or SPDK on a machine without an IOMMU, it is there on purpose:
    leave it, or skip this check with `--skip vfio-no-iommu-mode`.
    """

    id = "vfio-no-iommu-mode"
    severity = Severity.WARNING
    title = "VFIO's no-IOMMU mode is on"

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding if it is on, or set."""
        wanted = facts[WantedDevices]
        wanted.demand()
        found = facts[VfioSwitches]
        switch = found.no_iommu
        if switch.is_on:
            harmless = facts[Cpu].hypervisor or facts[Iommu].on
            severity = Severity.INFO if harmless else None
            advice = _take_out(switch, facts)
            if not facts[Iommu].on:
                advice = in_order(advice, NEEDS_IOMMU)
            text = MODE if switch.now is True else MODE_AHEAD
            yield _finding(switch, text, severity, advice)
            return
        _demand_seen(found, switch)
        wanted.all_seen()


REMAPPED = say(
    "vfio-unsafe-interrupts",
    "Unsafe interrupts are allowed ({word}), and need not be: this host remaps"
    " interrupts. If that ever ends, a VM with a device starts all the same, and can"
    " send interrupts to the host.",
)
NEEDED = say(
    "vfio-unsafe-interrupts-needed",
    "interrupts are not remapped, so VFIO gives no device away without it",
)
NOT_X86 = say(
    "vfio-unsafe-interrupts-not-x86",
    "whether interrupts are remapped is only known of x86 processors",
)
UNTOLD = say(
    "vfio-unsafe-interrupts-untold",
    "/proc/interrupts names no controller by which to tell whether interrupts are"
    " remapped",
)


class VfioUnsafeInterrupts(Check):
    """Unsafe interrupts are allowed although the host remaps interrupts.

    What it does:
    If a device is meant for a VM, it looks whether allow_unsafe_interrupts is on, for
    the module vfio_iommu_type1 or for iommufd: in the running kernel, among the kernel
    arguments and in modprobe.d. It notes that if interrupts are remapped.

    Why is this bad?
    It does nothing while interrupts are remapped. But if a firmware update or another
    board ends that, VFIO gives devices away without a word, and a VM that has one can
    send interrupts to the host: the switch takes away the error that would say so.

    How it is repaired:
    By hand: take it out where it is set.

    See it yourself:
        grep . /sys/module/{vfio_iommu_type1,iommufd}/parameters/allow_unsafe_interrupts
        grep -c IR- /proc/interrupts

    False alarms:
    On a host that does not remap interrupts it is needed, and not noted; see
    interrupt-remapping-off. Guides for Proxmox name it for old boards: if you also
    boot this system on one, leave it.
    """

    id = "vfio-unsafe-interrupts"
    severity = Severity.INFO
    title = "Unsafe interrupts are allowed, and need not be"
    requires = ("iommu-off",)

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one note a module that allows them."""
        wanted = facts[WantedDevices]
        wanted.demand()
        found = facts[VfioSwitches]
        switched = [one for one in found.unsafe_interrupts if one.is_on]
        if switched and not _is_remapped(facts):
            raise NotApplicable(NEEDED)
        for switch in switched:
            yield _finding(switch, REMAPPED, None, _take_out(switch, facts))
        for switch in found.unsafe_interrupts:
            _demand_seen(found, switch)
        wanted.all_seen()


def _is_remapped(facts: Facts) -> bool:
    """Tell whether interrupts are remapped; raise if that is not known here."""
    if not facts[Cpu].x86:
        raise NotApplicable(NOT_X86)
    remapping = facts[InterruptRemapping]
    if remapping.on is None and not remapping.incapable:
        known(remapping.chips)
        raise MissingFact(UNTOLD)
    return remapping.on is True


def _demand_seen(found: VfioSwitches, switch: VfioSwitch) -> None:
    """Raise `MissingFact` if it may be on where nobody could look."""
    for seen in (switch.now, found.unread):
        if isinstance(seen, Missing):
            known(seen)


def _finding(
    switch: VfioSwitch, text: Message, severity: Severity | None, advice: Message
) -> Finding:
    rows = []
    if switch.now is True:
        rows.append(Evidence(switch.path, "Y", OFF))
    if switch.source:
        rows.append(Evidence(switch.source, switch.parameter, NOT_SET))
    message = text.filled(word=switch.word)
    place = HostPlace()
    return Finding(place, message, tuple(rows), severity, advice)


def _take_out(switch: VfioSwitch, facts: Facts) -> Message:
    """Return how it is switched off from the next boot on."""
    if switch.ends:
        return ENDS.filled(word=switch.word)
    if not switch.source:
        return BY_SCRIPT.filled(path=switch.path)
    told = {"word": switch.word if switch.by_argument else switch.parameter}
    normal = TAKE_OUT.filled(**told, source=switch.source)
    if switch.by_argument:
        normal = TAKE_OUT_ARGUMENT.filled(**told)
    return facts[Generated].advice(TAKE_OUT_NIXOS.filled(**told), normal)
