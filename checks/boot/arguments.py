"""Checks of kernel arguments about the IOMMU: harmful ones and idle ones."""

from __future__ import annotations

from vfio_doctor.api import (
    Actor,
    ArgumentPlace,
    BootArguments,
    Check,
    CommandLine,
    Cpu,
    Evidence,
    Facts,
    Finding,
    Idle,
    Iommu,
    IommuMaker,
    Iterator,
    KernelCmdline,
    MissingFact,
    NotApplicable,
    Severity,
    disabling,
    say,
    without_effect,
)

BOOTED = "/proc/cmdline"
X86_ONLY = say("argument-on-x86-only", "these arguments exist on x86 machines only")
NO_WORD = say("argument-not-wanted", "no {word}")
FIX = say(
    "argument-iommu-off-fix",
    "Take {word} out of the kernel arguments with your system's boot tool, then"
    " reboot.",
)
REBOOT = say("argument-iommu-off-reboot", "Reboot the computer.")
WORKS = say("iommu-groups-exist", "groups exist: the IOMMU is on now")
NOT_YET = say(
    "argument-iommu-off-not-yet",
    "{word} is among the next boot's arguments and turns the IOMMU off there; the IOMMU"
    " is on now.",
)
UNTIL_REBOOT = say(
    "argument-iommu-off-until-reboot",
    "{word} turns the IOMMU off, until the next boot, which no longer has it.",
)
ALWAYS = say(
    "argument-iommu-off-always", "{word} turns the IOMMU off, now and at every boot."
)
NOW = say("argument-iommu-off-now", "{word} turns the IOMMU off now.")
FROM_NEXT = say(
    "argument-iommu-off-next", "{word} turns the IOMMU off from the next boot on."
)
# Each source of the next boot's arguments, and whether it has the word.
Rows = tuple[tuple[str, bool], ...]


class IommuDisabledByArgument(Check):
    """A kernel argument turns the IOMMU off.

    What it does:
    Looks through the arguments of the running kernel and of the next boot for
    iommu=off, and for intel_iommu=off or amd_iommu=off on a machine of that
    maker, inside lists such as intel_iommu=off,sm_on too. An intel_iommu=on that
    comes later undoes intel_iommu=off; the other two cannot be undone. If the
    kernel has IOMMU groups now, only the next boot is judged.

    Why is this bad?
    Without the IOMMU no device can be passed to a virtual machine, whatever the
    firmware setup says. Such an argument is mostly left over from hunting another
    fault; on some handhelds the image sets it because the hardware needs it.

    How it is repaired:
    The argument is taken out of the next boot. On Intel, intel_iommu=on takes its
    place, since many kernels leave the IOMMU off without it.

    See it yourself:
        grep -o '[a-z_]*iommu=[^ ]*' /proc/cmdline

    False alarms:
    None are known. On Valve hardware, the ROG Ally and some Lenovo devices, Bazzite
    sets amd_iommu=off by itself and may set it again.
    """

    id = "iommu-disabled-by-argument"
    severity = Severity.ERROR
    title = "A kernel argument turns the IOMMU off"

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding a harmful word; unknown if the next boot is."""
        if not facts[Cpu].x86:
            raise NotApplicable(X86_ONLY)
        amd = facts[IommuMaker].amd
        booted = disabling(facts[KernelCmdline].line, amd)
        now = () if _works(facts) else booted
        try:
            lines = facts[BootArguments].candidates()
        except MissingFact:
            for word in now:
                yield _disabled(word, True, None)
            raise
        found = [(disabling(line, amd), source) for line, source in lines]
        words = dict.fromkeys([*now, *(word for held, _ in found for word in held)])
        for word in words:
            rows = tuple((source, word in held) for held, source in found)
            if word in booted and word not in now:
                yield _not_yet(word, rows)
            else:
                yield _disabled(word, word in now, rows)


def _works(facts: Facts) -> bool:
    """Tell whether the kernel surely uses an IOMMU now, whatever its arguments say."""
    try:
        return facts[Iommu].on
    except MissingFact:
        return False


def _not_yet(word: str, rows: Rows) -> Finding:
    """Return the finding on a word that the running kernel has, without effect."""
    sources = [source for source, has in rows if has]
    evidence = (
        Evidence(BOOTED, word, NO_WORD.filled(word=word)),
        Evidence("/sys/kernel/iommu_groups", WORKS),
        *(row for row in _evidence(word, rows) if row.observed == word),
    )
    place, message = ArgumentPlace(word, sources[0]), NOT_YET.filled(word=word)
    fix = FIX.filled(word=word)
    return Finding(place, message, evidence, Severity.WARNING, fix, Actor.TOOL)


def _evidence(word: str, rows: Rows) -> Iterator[Evidence]:
    absent = NO_WORD.filled(word=word)
    for source, has in rows:
        if source != BOOTED:
            yield Evidence(source, word if has else absent, absent)


def _disabled(word: str, now: bool, rows: Rows | None) -> Finding:
    """Return the finding; ``rows`` tell if the next boot's line has the word."""
    absent = NO_WORD.filled(word=word)
    sources = [source for source, has in rows or () if has]
    booted = Evidence(BOOTED, word if now else absent, absent)
    evidence = (booted, *_evidence(word, rows or ()))
    place = ArgumentPlace(word, BOOTED if now else sources[0])
    if now and rows is not None and not sources:
        return Finding(place, UNTIL_REBOOT.filled(word=word), evidence, None, REBOOT)
    text = FROM_NEXT if not now else ALWAYS if sources else NOW
    message, fix = text.filled(word=word), FIX.filled(word=word)
    return Finding(place, message, evidence, None, fix, Actor.TOOL)


IDLE_PART = say(
    "argument-part-without-effect", "In {word}, {part} has no effect: {why}."
)
IDLE = say("argument-idle", "{word} has no effect: {why}.")
LEAVE_OUT = say(
    "argument-idle-leave-out", "Leave it out when you next change the kernel arguments."
)
MEANT = say(
    "argument-idle-meant", "Probably meant: {meant}. Write that, or leave it out."
)


class IommuArgumentWithoutEffect(Check):
    """A kernel argument looks as if it set up passthrough, and does nothing.

    What it does:
    Looks through the arguments of the running kernel, and of the next boot if
    they are known, for values that the kernel does not know (amd_iommu=on,
    iommu=on, intel_iommu=pt), for arguments of the other maker's IOMMU, for
    vfio.pci… written with a dot, for bus addresses in place of ids, and for
    common misspellings. It is a warning if ids of a device are lost in that way.

    Why is this bad?
    It does no harm by itself. But you may think that something is set which is
    not, and look for the fault in the wrong place.

    How it is repaired:
    By hand: take the word out, or write what was meant.

    See it yourself:
        cat /proc/cmdline
        sudo journalctl -k -b | grep -i -e 'unknown option' -e 'unknown kernel'

    False alarms:
    A patched kernel may know more values. amd_iommu=on stands in nearly every
    guide: leaving it in is harmless.
    """

    id = "iommu-argument-without-effect"
    severity = Severity.INFO
    title = "A kernel argument has no effect"

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding an idle word."""
        if not facts[Cpu].x86:
            raise NotApplicable(X86_ONLY)
        told: set[str] = set()
        booted = facts[KernelCmdline]
        for line, source in ((booted.line, booted.source), *_following(facts)):
            for idle in without_effect(line, facts[IommuMaker].amd):
                if idle.word not in told:
                    told.add(idle.word)
                    yield _idle(idle, source)


def _following(facts: Facts) -> tuple[tuple[CommandLine, str], ...]:
    """Return the next boot's lines, none if they are not known."""
    try:
        return facts[BootArguments].candidates()
    except MissingFact:
        return ()


def _idle(idle: Idle, source: str) -> Finding:
    place = ArgumentPlace(idle.word, source)
    message = IDLE.filled(word=idle.word, why=idle.why)
    if idle.part:
        message = IDLE_PART.filled(part=idle.part, word=idle.word, why=idle.why)
    advice = MEANT.filled(meant=idle.meant) if idle.meant else LEAVE_OUT
    rows = (Evidence(source, idle.word, idle.meant),)
    severity = Severity.WARNING if idle.serious else None
    return Finding(place, message, rows, severity, advice)
