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
    """Return the running kernel's value, None where kvm is not loaded.

    Raises `MissingFact` where it cannot be read.
    """
    if isinstance(value, Missing) and value.why is Why.ABSENT:
        return None
    return known(value) == "Y"


def following(facts: Facts, name: str, default: bool) -> Following:
    """Return a parameter's value at the next boot.

    Raises `MissingFact` where the next boot's arguments are not known.
    """
    found: list[Following] = []
    for line, source in facts[BootArguments].candidates():
        option = facts[ModuleConfig].effective("kvm", name, line)
        if option is None:
            unset = say(
                "kvm-parameter-unset",
                "no kernel argument and no file in modprobe.d sets it",
            )
            found.append(Following(default, unset, False))
            continue
        in_file = "/" in option.source
        where, word = (option.source, name) if in_file else (source, f"kvm.{name}")
        given = word if option.value is None else f"{word}={option.value}"
        why = say("kvm-parameter-set", "{where} has {word}", where=where, word=given)
        found.append(Following(boolean(option.value), why, True))
    if len({one.value for one in found}) > 1:
        known(facts[BootArguments].next)
    return found[0]


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
                text = say(
                    "msrs-reported-now", "KVM reports every ignored MSR access now."
                )
                yield _reports(text, now, None)
            raise
        if then.value is None:
            text = say(
                "msrs-report-refused",
                "{why}: that is not a valid boolean, and the kernel refuses it.",
                why=then.why,
            )
            yield _reports(text, now, then)
        elif then.value:
            yield _reports(_when(now).filled(why=then.why), now, then)
        elif now:
            yield _pending(now, then)


def _when(now: bool | None) -> Message:
    """Return the sentence for a parameter that is true at the next boot."""
    if now is None:
        return say(
            "msrs-reported-once-loaded",
            "KVM will report every ignored MSR access once it is loaded: {why}.",
        )
    if now:
        return say(
            "msrs-reported-always",
            "KVM reports every ignored MSR access, now and after a reboot: {why}.",
        )
    return say(
        "msrs-reported-next",
        "KVM is silent about ignored MSR accesses now, but will report them after the"
        " next reboot: {why}.",
    )


def _pending(now: bool | None, then: Following) -> Finding:
    text = say(
        "msrs-reported-until-reboot",
        "KVM still reports every ignored MSR access; it is set right ({why}), which"
        " takes effect at the next reboot.",
        why=then.why,
    )
    return _reports(text, now, then)._replace(
        severity=Severity.INFO,
        advice=say(
            "msrs-reboot-when-it-suits",
            "Nothing more has to be set: reboot when it suits you.",
        ),
        who_acts=Actor.USER,
    )


def _reports(text: Message, now: bool | None, then: Following | None) -> Finding:
    rows = [_row("report_ignored_msrs", now, "N")]
    if then is not None:
        rows.append(Evidence(_next_boot(), then.why, "report_ignored_msrs=0"))
    silence = say(
        "msrs-silence-next",
        "Run `sudo vfio-doctor --fix`, which sets kvm.report_ignored_msrs=0 for every"
        " boot.",
    )
    if now and (then is None or then.value):
        silence = say(
            "msrs-silence-now",
            "Run `sudo vfio-doctor --fix`, which sets kvm.report_ignored_msrs=0 for"
            " every boot and tells the running kernel at once.",
        )
    return Finding(HostPlace(), text, tuple(rows), None, silence, Actor.TOOL)


def _next_boot() -> Message:
    return say("msrs-evidence-next-boot", "next boot")


def _row(name: str, now: bool | None, wanted: str | Message) -> Evidence:
    seen: str | Message = "Y" if now else "N"
    if now is None:
        seen = say("kvm-not-loaded", "kvm is not loaded")
    return Evidence(f"{PARAMETERS}/{name}", seen, wanted)


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
            raise NotApplicable(
                say("msrs-not-set", "the kvm module is not loaded and nothing sets it")
            )
        if then.value:
            return
        rows = (
            _row("ignore_msrs", now, say("msrs-either-flag", "N or Y")),
            Evidence(_next_boot(), then.why, say("msrs-either", "either")),
        )
        text, advice = _faults(now)
        yield Finding(HostPlace(), text.filled(why=then.why), rows, advice=advice)


def _faults(now: bool | None) -> tuple[Message, Message]:
    if now:
        return (
            say(
                "msrs-ignored-until-reboot",
                "KVM ignores unknown MSR accesses now, but no longer after the next"
                " reboot: {why}.",
            ),
            say(
                "msrs-keep-ignoring",
                "If your guest needs it, keep it: if Windows stops with a blue screen"
                " or a game does not start, run"
                " `sudo vfio-doctor --fix --risky --ignore-msrs`.",
            ),
        )
    return (
        say(
            "msrs-not-ignored",
            "A guest that asks for an MSR which KVM does not know gets a fault: {why}.",
        ),
        say(
            "msrs-leave-it",
            "Leave it as it is; if Windows stops with a blue screen or a game does not"
            " start, run `sudo vfio-doctor --fix --risky --ignore-msrs`.",
        ),
    )
