"""Checks of kernel arguments about the IOMMU: harmful ones and idle ones."""

from __future__ import annotations

from vfio_doctor.api import (
    Actor,
    BootArguments,
    Check,
    CommandLine,
    Cpu,
    Evidence,
    Facts,
    Finding,
    Iommu,
    IommuMaker,
    Iterator,
    KernelCmdline,
    MissingFact,
    NotApplicable,
    Severity,
    disabling,
    old_finding,
    without_effect,
)

X86_ONLY = "these arguments exist on x86 machines only"
FIX = (
    "Run `sudo vfio-doctor --fix`, which takes {word} out of the next boot, and restart"
    " the computer."
)


class IommuDisabledByArgument(Check):
    """A kernel argument turns the IOMMU off.

    What it does:
    Looks through the arguments of the running kernel and of the next boot for
    iommu=off, and for intel_iommu=off or amd_iommu=off on a machine of that
    maker, inside lists such as intel_iommu=off,sm_on too. An intel_iommu=on that
    comes later undoes intel_iommu=off; the other two cannot be undone. Where the
    kernel has IOMMU groups now, only the next boot is spoken of.

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
    None are known. On Valve hardware, the ROG Ally and some Lenovo devices Bazzite
    sets amd_iommu=off by itself and may set it again.
    """

    id = "iommu-disabled-by-argument"
    severity = Severity.ERROR
    title = "A kernel argument turns the IOMMU off"

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding a harmful word; unknown where the next boot is."""
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


def _not_yet(word: str, rows: tuple[tuple[str, bool], ...]) -> Finding:
    """Return the finding on a word that the running kernel has, without effect."""
    evidence = [
        Evidence("/proc/cmdline", word, f"no {word}"),
        Evidence("/sys/kernel/iommu_groups", "groups exist: the IOMMU is on now"),
    ]
    for source, has in rows:
        if has and source != "/proc/cmdline":
            evidence.append(Evidence(source, word, f"no {word}"))
    return old_finding(
        "host",
        "{word} is among the next boot's arguments and turns the IOMMU off there;"
        " now the IOMMU is on.",
        (("word", word),),
        tuple(evidence),
        Severity.WARNING,
        FIX.format(word=word),
        Actor.TOOL,
    )


def _disabled(
    word: str, now: bool, rows: tuple[tuple[str, bool], ...] | None
) -> Finding:
    """Return the finding; ``rows`` tell where the next boot's line has the word."""
    then = None if rows is None else any(held for _, held in rows)
    advice, actor = FIX.format(word=word), Actor.TOOL
    if now and then is False:
        when = "until the next boot, which no longer has it"
        advice, actor = "Restart the computer.", Actor.USER
    elif now:
        when = "now and at every boot" if then else "now"
    else:
        when = "from the next boot on"
    held = {True: word, False: f"no {word}"}
    evidence = [Evidence("/proc/cmdline", held[now], held[False])]
    for source, has in rows or ():
        if source != "/proc/cmdline":
            evidence.append(Evidence(source, held[has], held[False]))
    return old_finding(
        "host",
        "{word} turns the IOMMU off, {when}.",
        (("word", word), ("when", when)),
        tuple(evidence),
        advice=advice,
        who_acts=actor,
    )


class IommuArgumentWithoutEffect(Check):
    """A kernel argument looks like it sets up passthrough and does nothing.

    What it does:
    Looks through the arguments of the running kernel, and of the next boot where
    they are known, for values that the kernel does not know (amd_iommu=on,
    iommu=on, intel_iommu=pt), for arguments of the other maker's IOMMU, for
    vfio.pci… written with a dot, for bus addresses in place of ids, and for usual
    misspellings.

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
                    yield _idle(idle.word, idle.why, idle.meant, source)


def _following(facts: Facts) -> tuple[tuple[CommandLine, str], ...]:
    """Return the next boot's lines, none where they are not known."""
    try:
        return facts[BootArguments].candidates()
    except MissingFact:
        return ()


def _idle(word: str, why: str, meant: str, source: str) -> Finding:
    advice = "Leave it out when you next change the kernel arguments."
    if meant:
        advice = f"Probably meant: {meant}. Write that, or leave it out."
    return old_finding(
        "host",
        "{word} has no effect: {why}.",
        (("word", word), ("why", why)),
        (Evidence(source, word, meant),),
        advice=advice,
    )
