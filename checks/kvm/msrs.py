"""Checks of what KVM does with accesses to MSRs that it does not know."""

from __future__ import annotations

from typing import NamedTuple

from vfio_doctor.api import (
    Actor,
    BootArguments,
    Check,
    Evidence,
    Facts,
    Finding,
    HostPlace,
    Iterator,
    KvmParameters,
    Message,
    Missing,
    MissingFact,
    ModuleConfig,
    NotApplicable,
    Severity,
    Why,
    known,
    say,
)

PARAMETERS = "/sys/module/kvm/parameters"
UNSET = say(
    "kvm-parameter-unset", "no kernel argument and no file in modprobe.d sets it"
)
SET = say("kvm-parameter-set", "{source} has {word}")
NOT_LOADED = say("kvm-not-loaded", "kvm is not loaded")
NEXT_BOOT = say("msrs-evidence-next-boot", "next boot")


class Following(NamedTuple):
    """A boolean parameter of kvm at the next boot, and why it has that value.

    ``value`` is None if the kernel refuses the text that is given; ``given`` is
    false if nothing sets the parameter.
    """

    value: bool | None
    why: Message
    given: bool


def boolean(text: str | None) -> bool | None:
    """Return what the kernel makes of a boolean's text (kstrtobool); bare is true."""
    if text is None:
        return True
    first, two = text[:1].lower(), text[:2].lower()
    if first in ("y", "t", "1") or two == "on":
        return True
    return False if first in ("n", "f", "0") or two == "of" else None


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
    found: list[Following] = []
    for line, source in facts[BootArguments].candidates():
        option = facts[ModuleConfig].effective("kvm", name, line)
        if option is None:
            found.append(Following(default, UNSET, False))
            continue
        in_file = "/" in option.source
        at, word = (option.source, name) if in_file else (source, f"kvm.{name}")
        given = word if option.value is None else f"{word}={option.value}"
        why = SET.filled(source=at, word=given)
        found.append(Following(boolean(option.value), why, True))
    if len({one.value for one in found}) > 1:
        known(facts[BootArguments].next)
    return found[0]


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
UNTIL_REBOOT = say(
    "msrs-reported-until-reboot",
    "KVM still reports every ignored MSR access; the setting is right ({why}) and takes"
    " effect at the next reboot.",
)
REBOOT = say(
    "msrs-reboot-when-it-suits", "Nothing more has to be set: reboot when it suits you."
)
SILENCE = say(
    "msrs-silence-next",
    "Run `sudo vfio-doctor --fix`, which sets kvm.report_ignored_msrs=0 for every"
    " boot.",
)
SILENCE_NOW = say(
    "msrs-silence-now",
    "Run `sudo vfio-doctor --fix`, which sets kvm.report_ignored_msrs=0 for every boot"
    " and tells the running kernel at once.",
)


class KvmReportsIgnoredMsrs(Check):
    """KVM writes a kernel log line for every MSR access that it ignores.

    What it does:
    Reads the parameter report_ignored_msrs of the running kvm module, and works
    out its value at the next boot from the kernel arguments and modprobe.d. It
    reports a value that is true at either time.

    Why is this bad?
    Windows and many games ask for processor registers (MSRs) that KVM does not
    have, thousands of times a second. Each one becomes a line in the kernel log:
    the log fills, the guest stutters, and what matters drowns. Setup recipes took
    this argument as the sign that virtualization was prepared, and without it
    they did nothing and said nothing (ublue-os/bluefin#2121).

    How it is repaired:
    The kernel argument kvm.report_ignored_msrs=0 is set for the next boot, and
    the running kernel is told at once.

    See it yourself:
        cat /sys/module/kvm/parameters/report_ignored_msrs
        grep -o 'kvm.report_ignored_msrs=[^ ]*' /proc/cmdline
        sudo journalctl -k -b | grep -c -e 'ignored rdmsr' -e 'ignored wrmsr'

    False alarms:
    A host that runs only Linux guests hardly writes such lines, and current
    kernels write none while kvm.ignore_msrs is off. If you are hunting a guest's
    MSR problem you want them: skip this check with
    `--skip kvm-reports-ignored-msrs`.
    """

    id = "kvm-reports-ignored-msrs"
    severity = Severity.WARNING
    title = "KVM reports every ignored MSR access"
    requires = ("cpu-virtualization-off",)

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding for the time at which KVM reports."""
        now = running(facts[KvmParameters].report_ignored_msrs)
        try:
            then = following(facts, "report_ignored_msrs", default=True)
        except MissingFact:
            if now:
                yield _reports(NOW, now, None)
            raise
        if then.value is None:
            yield _reports(REFUSED, now, then)
        elif then.value:
            text = ONCE_LOADED if now is None else ALWAYS if now else NEXT
            yield _reports(text, now, then)
        elif now:
            yield _reports(UNTIL_REBOOT, now, then)._replace(
                severity=Severity.INFO, advice=REBOOT, who_acts=Actor.USER
            )


def _reports(text: Message, now: bool | None, then: Following | None) -> Finding:
    rows = [_row("report_ignored_msrs", now, "N")]
    if then is not None:
        rows.append(Evidence(NEXT_BOOT, then.why, "report_ignored_msrs=0"))
        text = text.filled(why=then.why)
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
    requires = ("cpu-virtualization-off",)

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding if unknown MSRs are not ignored now or next time."""
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
        yield Finding(HostPlace(), text.filled(why=then.why), rows, None, advice)
