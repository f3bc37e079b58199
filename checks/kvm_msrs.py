"""Checks of what KVM does with accesses to MSRs that it does not know."""

from __future__ import annotations

from typing import NamedTuple

from vfio_doctor.api import (
    Actor,
    BootArguments,
    Check,
    CommandLine,
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
)

PARAMETERS = "/sys/module/kvm/parameters"
# What the kernel takes as true and false for a boolean parameter (kstrtobool).
TRUE, FALSE = ("y", "Y", "1", "t", "T"), ("n", "N", "0", "f", "F")
ON, OFF = ("on", "oN", "On", "ON"), ("of", "oF", "Of", "OF")


class Setting(NamedTuple):
    """One boolean parameter of kvm at two times; None: it has the default.

    ``source`` says where the next boot's value is set, "" where nothing does.
    """

    now: bool | None
    following: bool
    source: str


def boolean(value: str | None) -> bool:
    """Return what the kernel makes of a boolean's value; bare means true."""
    if not value:
        return True
    return value[:1] in TRUE or value[:2] in ON


def setting(facts: Facts, name: str, now: str | Missing, default: bool) -> Setting:
    """Return a parameter's value now and at the next boot.

    Raises `MissingFact` where the next boot's arguments are not known.
    """
    if isinstance(now, Missing) and now.why is not Why.ABSENT:
        known(now)
    running = None if isinstance(now, Missing) else now == "Y"
    option = facts[ModuleConfig].effective("kvm", name, _next_line(facts))
    if option is None:
        return Setting(running, default, "")
    return Setting(running, boolean(option.value), option.source)


def _next_line(facts: Facts) -> CommandLine:
    """Return the next boot's arguments, else what is configured for it."""
    boot = facts[BootArguments]
    for line in (boot.next, boot.configured):
        if not isinstance(line, Missing):
            return line
    try:
        return known(boot.next)
    except MissingFact as missing:
        raise MissingFact(f"what the next boot gets: {missing}") from missing


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
        sudo dmesg | grep -c -e 'ignored rdmsr' -e 'ignored wrmsr'

    False alarms:
    A host that runs only Linux guests hardly writes such lines. Who is hunting a
    guest's MSR problem wants them: skip this check with
    `--skip kvm-reports-ignored-msrs`.
    """

    id = "kvm-reports-ignored-msrs"
    severity = Severity.WARNING
    title = "KVM reports every ignored MSR access"
    needs = (BootArguments, KvmParameters, ModuleConfig)
    requires = ("cpu-virtualization-off",)

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding for the time at which KVM reports."""
        now = facts[KvmParameters].report_ignored_msrs
        held = setting(facts, "report_ignored_msrs", now, default=True)
        if not held.now and not held.following:
            return
        if held.now and not held.following:
            yield _finding(
                "KVM reports every ignored MSR access; {source} sets it right, which "
                "takes effect at the next boot.",
                held,
                Severity.INFO,
                "Nothing more is to be set: restart the computer when it suits you.",
            )
        elif held.following and held.now is False:
            yield _finding(
                "KVM does not report ignored MSR accesses now, but will again after "
                "the next boot: {source}.",
                held,
                None,
                "Run `sudo vfio-doctor --fix`, which sets kvm.report_ignored_msrs=0 "
                "for every boot.",
            )
        else:
            yield _finding(
                "KVM reports every ignored MSR access, now and after the next boot: "
                "{source}.",
                held,
                None,
                "Run `sudo vfio-doctor --fix`, which sets kvm.report_ignored_msrs=0 "
                "for every boot and tells the running kernel at once.",
            )


def _finding(
    template: str, held: Setting, severity: Severity | None, advice: str
) -> Finding:
    source = held.source or "no argument or file sets kvm.report_ignored_msrs=0"
    now = {None: "kvm is not loaded", True: "Y", False: "N"}[held.now]
    return Finding(
        "host",
        template,
        (("source", source),),
        (
            Evidence(f"{PARAMETERS}/report_ignored_msrs", now, "N"),
            Evidence("next boot", "Y" if held.following else "N", "N"),
        ),
        severity,
        advice,
        Actor.TOOL if severity is None else Actor.USER,
    )


class KvmMsrsNotIgnored(Check):
    """KVM answers an access to an unknown MSR with a fault in the guest.

    What it does:
    Reads the parameter ignore_msrs of the running kvm module and works out its
    value at the next boot.

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
    needs = (BootArguments, KvmParameters, ModuleConfig)
    requires = ("cpu-virtualization-off",)

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding where unknown MSRs are not ignored at the next boot."""
        now = facts[KvmParameters].ignore_msrs
        held = setting(facts, "ignore_msrs", now, default=False)
        if held.now is None and not held.source:
            raise NotApplicable("the kvm module is not loaded and nothing sets it")
        if held.following or held.now:
            return
        yield Finding(
            "host",
            "A guest that asks for an MSR which KVM does not know gets a fault.",
            (),
            (Evidence(f"{PARAMETERS}/ignore_msrs", "N"),),
            advice="Leave it, unless Windows stops with a blue screen or a game does "
            "not start; then run `sudo vfio-doctor --fix --ignore-msrs`.",
        )
