"""Checks of the processor."""

from __future__ import annotations

from vfio_doctor.api import (
    KERNEL_LOG,
    Actor,
    Board,
    Check,
    Conclusion,
    Container,
    Cpu,
    Evidence,
    Facts,
    Finding,
    HostPlace,
    Init,
    Iterator,
    KernelMessages,
    KvmDevice,
    LookingGlassGuest,
    MissingFact,
    NotApplicable,
    Severity,
    say,
)

NO_FLAGS = say("cpu-flags-on-x86-only", "vmx and svm exist on x86 processors only")
XEN = say("cpu-under-xen", "Xen runs below this system and hides the processor")
UNTRIED = say(
    "cpu-kvm-untried",
    "the processor shows neither vmx nor svm, yet /dev/kvm is there and could not be"
    " tried ({why}); run as root to try it",
)
CONTAINER = say("cpu-in-container", "a container does not show whether /dev/kvm works")
NO_FLAG = say("cpu-no-flag", "neither vmx nor svm")
NO_FLAG_IN_GUEST = say("cpu-no-flag-in-guest", "neither vmx nor svm, but hypervisor")
UNNAMED = say("cpu-unnamed", "unnamed")
OFF = say(
    "cpu-offers-no-virtualization", "The processor ({model}) offers no virtualization."
)
LOCKED = say(
    "cpu-virtualization-locked",
    "The processor has {flag}, and the firmware keeps it off: KVM cannot use it.",
)
ENABLE = say(
    "cpu-enable-in-firmware",
    "{enter} and enable {switch}. Save, then switch the computer off and on again. A"
    " processor that has no virtualization cannot be helped.",
)
NESTED_OFF = say(
    "cpu-nested-off",
    "This system is itself a virtual machine, and its hypervisor's host does not let it"
    " use virtualization.",
)
ALLOW_NESTED = say(
    "cpu-allow-nested",
    "On the hypervisor's host, make `cat /sys/module/{module}/parameters/nested` print"
    " Y or 1, and give this virtual machine the real processor (libvirt:"
    " `<cpu mode='host-passthrough'/>`). In a cloud, choose a machine type with nested"
    " virtualization.",
)


class CpuVirtualizationOff(Check):
    """The processor's virtualization is switched off.

    What it does:
    Looks for vmx (Intel) or svm (AMD) among the processor's flags. If neither is
    there, it asks /dev/kvm itself: if that makes a virtual machine, all is well.
    Some kernels keep the flag although the firmware has locked virtualization: if
    a flag is there and KVM is not, the kernel log decides.

    Why is this bad?
    Without it there is no KVM, and no virtual machine with a passed-through
    device can start.

    How it is repaired:
    By you, in the firmware setup of the computer (press Del, F2, F10 or F12 while
    it starts). Nothing inside Linux can turn it on. In a virtual machine, the
    hypervisor's host has to allow it (nested virtualization).

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
        """Yield one finding if neither the flags nor KVM show virtualization."""
        facts[LookingGlassGuest].demand_host()
        cpu = facts[Cpu]
        if not cpu.x86:
            raise NotApplicable(NO_FLAGS)
        kvm = facts[KvmDevice]
        if cpu.virtualization:
            line = "" if kvm.works or kvm.modules_in_use else _locked(facts)
            if line:
                yield _locked_by_firmware(facts, cpu, facts[Board], line)
            return
        if kvm.works:
            return
        if cpu.xen:
            raise MissingFact(XEN)
        if kvm.is_node and kvm.refusal:
            raise MissingFact(UNTRIED.filled(why=kvm.refusal))
        if facts[Container].kind:
            raise MissingFact(CONTAINER)
        yield (
            _nested_off(cpu)
            if cpu.hypervisor
            else _firmware_off(facts, cpu, facts[Board])
        )


def _locked(facts: Facts) -> str:
    """Return the line by which the kernel says that the firmware has it off."""
    try:
        log = facts[KernelMessages].log
    except MissingFact as unread:
        if unread.denied:
            raise
        return ""
    return next((m.line for m in log.of(Conclusion.VIRTUALIZATION_OFF)), "")


def _locked_by_firmware(facts: Facts, cpu: Cpu, board: Board, line: str) -> Finding:
    found = _firmware_off(facts, cpu, board)
    flag = Evidence("/proc/cpuinfo flags", cpu.virtualization, cpu.virtualization)
    message = LOCKED.filled(flag=cpu.virtualization)
    rows = (flag, Evidence(KERNEL_LOG, line))
    return found._replace(message=message, evidence=rows)


def _rows(cpu: Cpu) -> tuple[Evidence, ...]:
    flags = NO_FLAG_IN_GUEST if cpu.hypervisor else NO_FLAG
    return (
        Evidence("/proc/cpuinfo flags", flags, "svm" if cpu.amd else "vmx"),
        Evidence("/proc/cpuinfo model name", cpu.model or cpu.vendor),
    )


def _firmware_off(facts: Facts, cpu: Cpu, board: Board) -> Finding:
    message = OFF.filled(model=cpu.model or cpu.vendor or UNNAMED)
    advice = ENABLE.filled(
        enter=facts[Init].firmware(board.title), switch=board.cpu_switch(cpu.amd)
    )
    actor = Actor.FIRMWARE
    return Finding(HostPlace(), message, _rows(cpu), None, advice, actor)


def _nested_off(cpu: Cpu) -> Finding:
    advice = ALLOW_NESTED.filled(module="kvm_amd" if cpu.amd else "kvm_intel")
    return Finding(HostPlace(), NESTED_OFF, _rows(cpu), None, advice)
