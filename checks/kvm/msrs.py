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
    Iterator,
    KvmParameters,
    Missing,
    MissingFact,
    ModuleConfig,
    NotApplicable,
    Severity,
    Why,
    known,
    old_finding,
    say,
)

PARAMETERS = "/sys/module/kvm/parameters"
FIX = "Run `sudo vfio-doctor --fix`, which sets kvm.report_ignored_msrs=0 "
FIX_BOOT = f"{FIX}for every boot."
FIX_BOTH = f"{FIX}for every boot and tells the running kernel at once."
NOTHING = "no kernel argument and no file in modprobe.d sets it"


class Following(NamedTuple):
    """A boolean parameter of kvm at the next boot, and why it has that value.

    ``value`` is None where it is given a text that the kernel refuses.
    """

    value: bool | None
    why: str


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
            found.append(Following(default, NOTHING))
            continue
        in_file = "/" in option.source
        where, word = (option.source, name) if in_file else (source, f"kvm.{name}")
        given = "" if option.value is None else f"={option.value}"
        found.append(Following(boolean(option.value), f"{where} has {word}{given}"))
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
    kernels write none while kvm.ignore_msrs is off. Who is hunting a guest's MSR
    problem wants them: skip this check with `--skip kvm-reports-ignored-msrs`.
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
                text = "KVM reports every ignored MSR access now."
                yield _reports(text, now, None, FIX_BOTH)
            raise
        if then.value is None:
            text = "{why}: the kernel takes that for no yes or no, and refuses it."
            yield _reports(text, now, then, FIX_BOOT)
        elif then.value:
            yield _reports(_when(now), now, then, FIX_BOTH if now else FIX_BOOT)
        elif now:
            yield _pending(now, then)


def _when(now: bool | None) -> str:
    """Return the sentence for a parameter that is true at the next boot."""
    if now is None:
        return "KVM will report every ignored MSR access once it is loaded: {why}."
    if now:
        return "KVM reports every ignored MSR access, now and after a restart: {why}."
    return (
        "KVM is silent about ignored MSR accesses now, but will report them after the"
        " next restart: {why}."
    )


def _pending(now: bool | None, then: Following) -> Finding:
    text = "KVM still reports every ignored MSR access; it is set right ({why}), which"
    found = _reports(f"{text} takes effect at the next restart.", now, then, "")
    return found._replace(
        severity=Severity.INFO,
        advice=say(
            "restart-when-it-suits",
            "Nothing more is to be set: reboot when it suits you.",
        ),
        who_acts=Actor.USER,
    )


def _reports(
    template: str, now: bool | None, then: Following | None, advice: str
) -> Finding:
    rows = [_row("report_ignored_msrs", now, "N")]
    if then is not None:
        rows.append(Evidence("next boot", then.why, "report_ignored_msrs=0"))
    return old_finding(
        "host",
        template,
        (("why", then.why),) if then else (),
        tuple(rows),
        advice=advice,
        who_acts=Actor.TOOL,
    )


def _row(name: str, now: bool | None, wanted: str) -> Evidence:
    seen = {None: "kvm is not loaded", True: "Y", False: "N"}[now]
    return Evidence(f"{PARAMETERS}/{name}", seen, wanted)


class KvmMsrsNotIgnored(Check):
    """KVM answers an access to an unknown MSR with a fault in the guest.

    What it does:
    Reads the parameter ignore_msrs of the running kvm module and works out its
    value at the next boot, which is the one that is judged.

    Why is this bad?
    Mostly it is not: this is the kernel's default. But Windows with host-passthrough
    and some games stop with a blue screen where a register is missing, and macOS
    guests do not start.

    How it is repaired:
    Only if your guest shows such faults, set kvm.ignore_msrs=1:
    `sudo vfio-doctor --fix --ignore-msrs`. It hides real errors from the guest.

    See it yourself:
        cat /sys/module/kvm/parameters/ignore_msrs

    False alarms:
    Always, where the guest runs well. It is only information.
    """

    id = "kvm-msrs-not-ignored"
    severity = Severity.INFO
    title = "KVM does not ignore unknown MSRs"
    requires = ("cpu-virtualization-off",)

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding where unknown MSRs are not ignored now or next time."""
        now = running(facts[KvmParameters].ignore_msrs)
        then = following(facts, "ignore_msrs", default=False)
        if now is None and then.why == NOTHING:
            raise NotApplicable("the kvm module is not loaded and nothing sets it")
        if then.value:
            return
        rows = (
            _row("ignore_msrs", now, "N or Y"),
            Evidence("next boot", then.why, "either"),
        )
        text, advice = _faults(now)
        yield old_finding("host", text, (("why", then.why),), rows, advice=advice)


def _faults(now: bool | None) -> tuple[str, str]:
    choice = (
        "if Windows stops with a blue screen or a game does not start, run"
        " `sudo vfio-doctor --fix --ignore-msrs`."
    )
    if now:
        return (
            "KVM ignores unknown MSR accesses now, but no longer after the next"
            " restart: {why}.",
            f"If your guest needs it, keep it: {choice}",
        )
    return (
        "A guest that asks for an MSR which KVM does not know gets a fault: {why}.",
        f"Leave it as it is; {choice}",
    )
