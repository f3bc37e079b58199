"""Checks of what KVM does with accesses to MSRs that it does not know."""

from __future__ import annotations

from vfio_doctor.api import (
    Actor,
    BootArguments,
    BuiltinModules,
    Check,
    CommandLine,
    Evidence,
    Facts,
    Finding,
    Generated,
    HostPlace,
    InitramfsModules,
    Iterator,
    KvmParameters,
    LoadedModules,
    LookingGlassGuest,
    Message,
    Missing,
    MissingFact,
    ModuleConfig,
    NamedTuple,
    NotApplicable,
    PassthroughIntent,
    Severity,
    Why,
    kernel_boolean,
    known,
    say,
)

PARAMETERS = "/sys/module/kvm/parameters"
UNSET = say(
    "kvm-parameter-unset", "no kernel argument and no file in modprobe.d sets it"
)
SET = say("kvm-parameter-set", "{source} has {word}")
BUILT_IN = say(
    "kvm-parameter-built-in",
    "{source} has {word}, which does nothing: this kernel has kvm built in, and only a"
    " kernel argument reaches it",
)
NOT_LOADED = say("kvm-not-loaded", "kvm is not loaded")
NEXT_BOOT = say("msrs-evidence-next-boot", "next boot")


class Following(NamedTuple):
    """A boolean parameter of kvm at the next boot, and why it has that value.

    ``value`` is None if the kernel refuses the text that is given; ``given`` is
    false if nothing sets the parameter, ``in_file`` true if modprobe.d does.
    """

    value: bool | None
    why: Message
    given: bool
    in_file: bool = False


def running(value: str | Missing) -> bool | None:
    """Return the running kernel's value, None if kvm is not loaded.

    Raises `MissingFact` if it cannot be read.
    """
    if isinstance(value, Missing) and value.why is Why.ABSENT:
        return None
    return known(value) == "Y"


def following(facts: Facts, name: str, default: bool) -> Following:
    """Return a parameter's value at the next boot.

    Raises `MissingFact` if the next boot's arguments are not known.
    """
    found = [
        _on_line(facts, name, default, line, source)
        for line, source in facts[BootArguments].candidates()
    ]
    if len({one.value for one in found}) > 1:
        known(facts[BootArguments].next)
    return found[0]


def _on_line(
    facts: Facts, name: str, default: bool, line: CommandLine, source: str
) -> Following:
    option = facts[ModuleConfig].effective("kvm", name, line)
    if option is None:
        return Following(default, UNSET, False)
    in_file = not option.on_command_line
    at, word = (option.source, name) if in_file else (source, f"kvm.{name}")
    given = word if option.value is None else f"{word}={option.value}"
    if in_file and _is_built_in(facts):
        return Following(default, BUILT_IN.filled(source=at, word=given), False)
    why = SET.filled(source=at, word=given)
    return Following(kernel_boolean(option.value), why, True, in_file)


def _is_built_in(facts: Facts) -> bool:
    """Tell whether kvm is part of the kernel, which reads no modprobe.d."""
    try:
        if facts[LoadedModules].has("kvm"):
            return False
    except MissingFact:
        pass
    try:
        return facts[BuiltinModules].has("kvm")
    except MissingFact as missing:
        if missing.why is Why.ABSENT:
            return False
        raise


NOW = say("msrs-reported-now", "KVM reports every ignored MSR access now.")
REFUSED = say(
    "msrs-report-refused",
    "{why}: that is not a valid boolean, and the kernel refuses it.",
)
ONCE_LOADED = say(
    "msrs-reported-once-loaded",
    "KVM will report every ignored MSR access once it is loaded: {why}.",
)
ALWAYS = say(
    "msrs-reported-always",
    "KVM reports every ignored MSR access, now and after a reboot: {why}.",
)
NEXT = say(
    "msrs-reported-next",
    "KVM is silent about ignored MSR accesses now, but will report them after the next"
    " reboot: {why}.",
)
WOULD = say(
    "msrs-would-be-reported",
    "KVM ignores no MSR access, so it reports none; if kvm.ignore_msrs is turned on, it"
    " reports every one: {why}.",
)
MEANT = say(
    "msrs-report-recipe",
    "kvm.report_ignored_msrs=0 is missing, by which setup recipes know a host that is"
    " prepared for passthrough: {why}. While kvm.ignore_msrs is off, KVM reports"
    " nothing.",
)
REBUILD = say(
    "msrs-rebuild-image",
    "{source} has the initramfs load kvm, with the options that modprobe.d had when the"
    " image was made: run `{command}`, then reboot the computer.",
)
UNTIL_REBOOT = say(
    "msrs-reported-until-reboot",
    "kvm.report_ignored_msrs is still on; the setting is right ({why}) and takes effect"
    " at the next reboot.",
)
REBOOT = say(
    "msrs-reboot-when-it-suits", "Nothing more has to be set: reboot when it suits you."
)
SILENCE = say(
    "msrs-silence-next",
    "Add the kernel argument kvm.report_ignored_msrs=0 with your system's boot tool.",
)
SILENCE_NOW = say(
    "msrs-silence-now",
    "Run `echo N | sudo tee /sys/module/kvm/parameters/report_ignored_msrs`; for every"
    " boot, add the kernel argument kvm.report_ignored_msrs=0 with your system's boot"
    " tool.",
)
SIGN = say("msrs-passthrough-sign", "sign that passthrough is meant")


class KvmReportsIgnoredMsrs(Check):
    """KVM is set to write a kernel log line for every MSR access that it ignores.

    What it does:
    Reads the parameters report_ignored_msrs and ignore_msrs of the running kvm
    module, and works out their values at the next boot from the kernel arguments
    and modprobe.d. If kvm is built into the kernel, modprobe.d does not count. It
    warns if KVM ignores accesses and reports them, now or after the next reboot,
    and if a host that means to run passthrough or Looking Glass lacks the
    argument, unless it is NixOS. Elsewhere the same is only information.

    Why is this bad?
    Windows and many games ask for processor registers (MSRs) that KVM does not
    have, thousands of times a second. If KVM ignores and reports these, each one
    becomes a line in the kernel log: the log fills, the guest stutters, and what
    matters drowns. Setup recipes took this argument as the sign that
    virtualization was prepared, and without it they did nothing and said nothing
    (ublue-os/bluefin#2121).

    How it is repaired:
    The kernel argument kvm.report_ignored_msrs=0 is set for the next boot, and
    the running kernel is told at once.

    See it yourself:
        grep . /sys/module/kvm/parameters/*ignore*_msrs
        grep -o 'kvm.report_ignored_msrs=[^ ]*' /proc/cmdline
        sudo journalctl -k -b | grep -c -e 'ignored rdmsr' -e 'ignored wrmsr'

    False alarms:
    While kvm.ignore_msrs is off, as it is on most hosts, the kernel writes no such
    line, whatever this parameter says. It is never the cause of another fault. If
    you are hunting a guest's MSR problem you want the lines: skip this check with
    `--skip kvm-reports-ignored-msrs`.
    """

    id = "kvm-reports-ignored-msrs"
    severity = Severity.WARNING
    title = "KVM is set to report ignored MSR accesses"
    explains = False

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding for the time at which KVM reports, or would."""
        yield from (_with_idle_lines(facts, found) for found in self._found(facts))

    def _found(self, facts: Facts) -> Iterator[Finding]:
        facts[LookingGlassGuest].demand_host()
        parameters = facts[KvmParameters]
        now = running(parameters.report_ignored_msrs)
        ignoring = running(parameters.ignore_msrs)
        try:
            then = following(facts, "report_ignored_msrs", default=True)
            ignored = following(facts, "ignore_msrs", default=False)
        except MissingFact:
            if now and ignoring:
                yield _reports(NOW, now, None)
            raise
        if then.value is None:
            yield _reports(REFUSED, now, then)
        elif then.value:
            text = _when(now, bool(now and ignoring), ignored.value is not False)
            yield from _judged(facts, text, now, then)
        elif now:
            yield _reports(UNTIL_REBOOT, now, then)._replace(
                severity=Severity.INFO,
                advice=_until_reboot(facts, then),
                who_acts=Actor.USER,
            )


def _with_idle_lines(facts: Facts, found: Finding) -> Finding:
    """Return a finding with the lines that were meant for kvm and do nothing."""
    notes = (note for note in facts[ModuleConfig].notes("kvm") if note.line)
    idle = tuple(Evidence(str(n.place), n.said) for n in notes if n.is_typo)
    return found._replace(evidence=(*found.evidence, *idle))


def _until_reboot(facts: Facts, then: Following) -> Message:
    """Return what has to be done: an initramfs that loads kvm has the old options."""
    rebuild = facts[InitramfsModules].rebuild("kvm", "kvm_intel", "kvm_amd")
    if rebuild is None or not then.in_file:
        return REBOOT
    return REBUILD.filled(source=rebuild[0], command=rebuild[1])


def _when(now: bool | None, reports: bool, will: bool) -> Message:
    """Return what KVM does, now and after the next reboot."""
    if reports:
        return ALWAYS if will else NOW
    if not will:
        return WOULD
    return ONCE_LOADED if now is None else NEXT


def _judged(
    facts: Facts, text: Message, now: bool | None, then: Following
) -> Iterator[Finding]:
    """Yield the finding; where nothing is reported, the host's purpose decides."""
    if text is not WOULD:
        yield _reports(text, now, then)
        return
    intent = facts[PassthroughIntent]
    # NixOS has no such recipes, and no argument is added to what it generates.
    if intent.sign and not facts[Generated].yes:
        found = _reports(MEANT, now, then)
        row = Evidence(SIGN, intent.sign)
        yield found._replace(evidence=(*found.evidence, row))
        return
    yield _reports(WOULD, now, then)._replace(severity=Severity.INFO)
    if intent.unseen:
        known(intent.unseen)


def _reports(text: Message, now: bool | None, then: Following | None) -> Finding:
    rows = [_row("report_ignored_msrs", now, "N")]
    if then is not None:
        rows.append(Evidence(NEXT_BOOT, then.why, "report_ignored_msrs=0"))
        text = text if text is NOW else text.filled(why=then.why)
    advice = SILENCE_NOW if now and (then is None or then.value) else SILENCE
    return Finding(HostPlace(), text, tuple(rows), None, advice, Actor.TOOL)


def _row(name: str, now: bool | None, wanted: str | Message) -> Evidence:
    seen = NOT_LOADED if now is None else "Y" if now else "N"
    return Evidence(f"{PARAMETERS}/{name}", seen, wanted)


NOT_SET = say("msrs-not-set", "the kvm module is not loaded and nothing sets it")
EITHER_FLAG = say("msrs-either-flag", "N or Y")
EITHER = say("msrs-either", "either")
IGNORED_NOW = say(
    "msrs-ignored-until-reboot",
    "KVM ignores unknown MSR accesses now, but no longer after the next reboot: {why}.",
)
KEEP = say(
    "msrs-keep-ignoring",
    "Keep it if your guest needs it: if Windows stops with a blue screen or a game does"
    " not start, run `sudo vfio-doctor --fix --risky --ignore-msrs`.",
)
NOT_IGNORED = say(
    "msrs-not-ignored",
    "A guest that asks for an MSR which KVM does not know gets a fault: {why}.",
)
LEAVE = say(
    "msrs-leave-it",
    "Leave it as it is. If Windows stops with a blue screen or a game does not start,"
    " run `sudo vfio-doctor --fix --risky --ignore-msrs`.",
)


class KvmMsrsNotIgnored(Check):
    """KVM answers an access to an unknown MSR with a fault in the guest.

    What it does:
    Reads the parameter ignore_msrs of the running kvm module and works out its
    value at the next boot, which is the one that is judged.

    Why is this bad?
    Mostly it is not: this is the kernel's default. But Windows with host-passthrough
    and some games stop with a blue screen if a register is missing, and macOS
    guests do not start.

    How it is repaired:
    Only if your guest shows such faults, set kvm.ignore_msrs=1:
    `sudo vfio-doctor --fix --risky --ignore-msrs`. It hides real errors from the
    guest, so it has to be asked for twice.

    See it yourself:
        cat /sys/module/kvm/parameters/ignore_msrs

    False alarms:
    Always, if the guest runs well. It is only information.
    """

    id = "kvm-msrs-not-ignored"
    severity = Severity.INFO
    title = "KVM does not ignore unknown MSRs"
    explains = False
    requires = ("cpu-virtualization-off",)

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding if unknown MSRs are not ignored now or next time."""
        facts[LookingGlassGuest].demand_host()
        now = running(facts[KvmParameters].ignore_msrs)
        then = following(facts, "ignore_msrs", default=False)
        if now is None and not then.given:
            raise NotApplicable(NOT_SET)
        if then.value:
            return
        rows = (
            _row("ignore_msrs", now, EITHER_FLAG),
            Evidence(NEXT_BOOT, then.why, EITHER),
        )
        text, advice = (IGNORED_NOW, KEEP) if now else (NOT_IGNORED, LEAVE)
        found = Finding(HostPlace(), text.filled(why=then.why), rows, None, advice)
        yield _with_idle_lines(facts, found)
