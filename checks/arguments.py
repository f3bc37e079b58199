"""Checks of kernel arguments about the IOMMU: harmful ones and idle ones."""

from __future__ import annotations

from typing import NamedTuple

from vfio_doctor.api import (
    Actor,
    BootArguments,
    Check,
    CommandLine,
    Cpu,
    Evidence,
    Facts,
    Finding,
    Iterator,
    KernelCmdline,
    Missing,
    NotApplicable,
    Severity,
)

INTEL, AMD = "GenuineIntel", "AuthenticAMD"
BOTH = (INTEL, AMD)
# Kernel admin-guide/kernel-parameters.txt: iommu=off hits every x86 IOMMU.
DISABLING = (
    ("iommu", "off", BOTH),
    ("intel_iommu", "off", (INTEL,)),
    ("amd_iommu", "off", (AMD,)),
)


class Idle(NamedTuple):
    """A word without effect: why, and what was probably meant."""

    why: str
    meant: str


ON_BY_DEFAULT = "the kernel uses AMD-Vi by itself where the firmware offers it"
IDLE_VALUES = {
    ("amd_iommu", "on"): Idle(
        f"the kernel does not know this value; {ON_BY_DEFAULT}", ""
    ),
    ("amd_iommu", "pt"): Idle("the kernel does not know this value", "iommu=pt"),
    ("intel_iommu", "pt"): Idle("the kernel does not know this value", "iommu=pt"),
    ("iommu", "on"): Idle("on x86 this turns nothing on", "intel_iommu=on on Intel"),
    ("amd_iommu", "1"): Idle(
        f"the kernel does not know this value; {ON_BY_DEFAULT}", ""
    ),
    ("intel_iommu", "1"): Idle("the kernel does not know this value", "intel_iommu=on"),
    ("iommu", "1"): Idle("the kernel does not know this value", "iommu=pt"),
}
MISSPELT_KEYS = {
    "vfio_pci_ids": "vfio-pci.ids",
    "vfio.pci.ids": "vfio-pci.ids",
    "vfio.pci_ids": "vfio-pci.ids",
    "vfio_ids": "vfio-pci.ids",
    "vfio.ids": "vfio-pci.ids",
    "vfio_pci.id": "vfio-pci.ids",
    "intel.iommu": "intel_iommu",
    "inteliommu": "intel_iommu",
    "amd.iommu": "amd_iommu",
    "amdiommu": "amd_iommu",
    "kvm_ignore_msrs": "kvm.ignore_msrs",
    "kvm_report_ignored_msrs": "kvm.report_ignored_msrs",
    "kvmfr_static_size_mb": "kvmfr.static_size_mb",
    "kvmfr.static_size": "kvmfr.static_size_mb",
}


class IommuDisabledByArgument(Check):
    """A kernel argument turns the IOMMU off.

    What it does:
    Looks through the arguments of the running kernel and of the next boot for
    iommu=off, and for intel_iommu=off or amd_iommu=off on a machine of that
    maker; inside lists such as intel_iommu=off,sm_on too.

    Why is this bad?
    Without the IOMMU no device can be passed to a virtual machine, whatever the
    firmware setup says. Such an argument is mostly left over from hunting another
    fault; on some handhelds the image sets it for the hardware's sake.

    How it is repaired:
    The argument is taken out of the next boot. On Intel intel_iommu=on takes its
    place, since many kernels leave the IOMMU off without it.

    See it yourself:
        grep -o '[a-z_]*iommu=[^ ]*' /proc/cmdline

    False alarms:
    None are known. On Valve and ROG Ally hardware Bazzite sets amd_iommu=off by
    itself and may set it again.
    """

    id = "iommu-disabled-by-argument"
    severity = Severity.ERROR
    title = "a kernel argument turns the IOMMU off"
    needs = (Cpu, KernelCmdline, BootArguments)

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding a harmful word."""
        cpu = facts[Cpu]
        if not cpu.x86:
            raise NotApplicable("these arguments exist on x86 only")
        now = set(disabling(facts[KernelCmdline].line, cpu.vendor))
        following = facts[BootArguments].next
        known_next = not isinstance(following, Missing)
        then = set(disabling(following, cpu.vendor)) if known_next else now
        for word in sorted(now | then):
            yield _disabled(word, word in now, word in then, facts[BootArguments])


def disabling(line: CommandLine | Missing, vendor: str) -> Iterator[str]:
    """Yield the words of a line that turn this maker's IOMMU off."""
    for argument in () if isinstance(line, Missing) else line.arguments:
        items = (argument.value or "").split(",")
        for key, item, vendors in DISABLING:
            if argument.key == key and item in items and vendor in vendors:
                yield argument.raw


def _disabled(word: str, now: bool, then: bool, boot: BootArguments) -> Finding:
    if now and not then:
        text = "{word} turns the IOMMU off until the next boot, which no longer has it."
        advice, actor = "Restart the computer.", Actor.USER
    else:
        when = "now and at every boot" if now else "from the next boot on"
        text = "{word} turns the IOMMU off, " + when + "."
        advice = (
            "Run `sudo vfio-doctor --fix`, which takes the argument out, and restart "
            "the computer."
        )
        actor = Actor.TOOL
    rows = (
        Evidence("/proc/cmdline", word if now else f"no {word}", f"no {word}"),
        Evidence(boot.next_source, word if then else f"no {word}", f"no {word}"),
    )
    return Finding("host", text, (("word", word),), rows, None, advice, actor)


class IommuArgumentWithoutEffect(Check):
    """A kernel argument looks like it sets up passthrough and does nothing.

    What it does:
    Looks through the arguments of the running kernel for values that the kernel
    does not know (amd_iommu=on, iommu=on, intel_iommu=pt), for vfio.pci… written
    with a dot, for ids that are bus addresses, and for usual misspellings.

    Why is this bad?
    It does no harm by itself. But you may think that something is set which is
    not, and look for the fault in the wrong place.

    How it is repaired:
    By hand: take the word out, or write what was meant.

    See it yourself:
        cat /proc/cmdline
        sudo dmesg | grep -i -e 'Unknown option' -e 'unknown kernel command line'

    False alarms:
    A patched kernel may know more values. amd_iommu=on is in nearly every guide:
    leaving it in is harmless.
    """

    id = "iommu-argument-without-effect"
    severity = Severity.INFO
    title = "a kernel argument has no effect"
    needs = (Cpu, KernelCmdline)

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding an idle word."""
        if not facts[Cpu].x86:
            raise NotApplicable("these arguments exist on x86 only")
        line = facts[KernelCmdline].line
        for word, idle in without_effect(line):
            advice = "Take it out when you next change the arguments."
            if idle.meant:
                advice = f"{advice} {idle.meant} was probably meant."
            yield Finding(
                "host",
                "{word} has no effect: {why}.",
                (("word", word), ("why", idle.why)),
                (Evidence("/proc/cmdline", word, idle.meant),),
                advice=advice,
            )


def without_effect(line: CommandLine) -> Iterator[tuple[str, Idle]]:
    """Yield each idle word of a line, with why and what was meant."""
    told: set[str] = set()
    for argument in line.arguments:
        if argument.raw in told:
            continue
        told.add(argument.raw)
        plain = argument.key.replace("-", "_").lower()
        for item in (argument.value or "").split(","):
            idle = IDLE_VALUES.get((argument.key, item))
            if idle is not None:
                yield argument.raw, idle
        if plain in MISSPELT_KEYS:
            right = MISSPELT_KEYS[plain]
            why = "no parameter has this name"
            yield argument.raw, Idle(why, f"{right}={argument.value or ''}")
        elif plain.startswith("vfio.pci"):
            right = argument.raw.replace("vfio.pci", "vfio-pci", 1)
            yield (
                argument.raw,
                Idle("it names a parameter of vfio, not vfio-pci", right),
            )
        elif plain == "vfio_pci.ids":
            yield from _bad_ids(argument.raw, argument.value or "")


def _bad_ids(word: str, value: str) -> Iterator[tuple[str, Idle]]:
    for each in value.split(","):
        if "." in each:
            why = f"{each} is a bus address; ids are vendor:device pairs"
            yield word, Idle(why, "the pair that lspci -nn shows in brackets")
            return
