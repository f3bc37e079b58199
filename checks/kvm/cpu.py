"""Checks of the processor."""

from __future__ import annotations

from vfio_doctor.api import (
    Actor,
    Board,
    Check,
    Container,
    Cpu,
    Evidence,
    Facts,
    Finding,
    Iterator,
    KvmDevice,
    MissingFact,
    NotApplicable,
    Severity,
    old_finding,
)


class CpuVirtualizationOff(Check):
    """The processor's virtualization is switched off.

    What it does:
    Looks for vmx (Intel) or svm (AMD) among the processor's flags. Where neither
    is there, it asks /dev/kvm itself: if that makes a virtual machine, all is well.

    Why is this bad?
    Without it there is no KVM, and no virtual machine with a passed-through
    device can start.

    How it is repaired:
    By you, in the firmware setup of the computer (press Del, F2, F10 or F12 while
    it starts). Nothing inside Linux can turn it on. In a virtual machine, the
    machine outside has to allow it (nested virtualization).

    See it yourself:
        grep -m1 -o -w -E 'vmx|svm' /proc/cpuinfo
        sudo journalctl -k -b | grep -i 'disabled by bios'

    False alarms:
    Very old processors, and some of the smallest, have no virtualization at all.
    """

    id = "cpu-virtualization-off"
    severity = Severity.ERROR
    title = "CPU virtualization (VT-x or AMD-V) is off"

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding where neither the flags nor KVM show virtualization."""
        cpu = facts[Cpu]
        if not cpu.x86:
            raise NotApplicable("vmx and svm exist on x86 processors only")
        if cpu.virtualization:
            return
        kvm = facts[KvmDevice]
        if kvm.works:
            return
        if cpu.xen:
            raise MissingFact("Xen runs below this system and hides the processor")
        if kvm.is_node and kvm.refusal:
            raise MissingFact(
                "the processor shows neither vmx nor svm, yet /dev/kvm is there and"
                f" could not be tried ({kvm.refusal}); run as root to try it"
            )
        if facts[Container].kind:
            raise MissingFact("a container does not show whether /dev/kvm works")
        yield _nested_off(cpu) if cpu.hypervisor else _firmware_off(cpu, facts[Board])


def _evidence(cpu: Cpu) -> tuple[Evidence, ...]:
    wanted = "svm" if cpu.amd else "vmx"
    flags = "neither vmx nor svm" + (", but hypervisor" if cpu.hypervisor else "")
    return (
        Evidence("/proc/cpuinfo flags", flags, wanted),
        Evidence("/proc/cpuinfo model name", cpu.model or cpu.vendor),
    )


def _firmware_off(cpu: Cpu, board: Board) -> Finding:
    return old_finding(
        "host",
        "The processor ({model}) offers no virtualization.",
        (("model", cpu.model or cpu.vendor or "unnamed"),),
        _evidence(cpu),
        advice=f"Restart into the firmware setup (`systemctl reboot --firmware-setup`)"
        f" of {board.title} and enable {board.cpu_switch(cpu.amd)}. Save, then switch"
        " the computer off and on again. A processor that has no virtualization"
        " cannot be helped.",
        who_acts=Actor.FIRMWARE,
    )


def _nested_off(cpu: Cpu) -> Finding:
    module = "kvm_amd" if cpu.amd else "kvm_intel"
    return old_finding(
        "host",
        "This system is itself a virtual machine, and the machine outside does not"
        " let it use virtualization.",
        (),
        _evidence(cpu),
        advice="On the machine outside, let"
        f" `cat /sys/module/{module}/parameters/nested` print Y or 1, and give this"
        " virtual machine the real processor (libvirt:"
        " `<cpu mode='host-passthrough'/>`). In a cloud, choose a machine type with"
        " nested virtualization.",
        who_acts=Actor.USER,
    )
