"""Keep KVM from reporting ignored MSR accesses, or have it ignore them."""

from __future__ import annotations

from vfio_doctor.api import (
    Applicability,
    Change,
    Facts,
    Finding,
    Fix,
    Iterator,
    KernelArguments,
    KvmParameters,
    Missing,
    RuntimeParameter,
    Terms,
    say,
)

PARAMETERS = "/sys/module/kvm/parameters"


SILENT_NEXT = say(
    "silence-msrs-next-boot", "Set kvm.report_ignored_msrs=0, for the next boot"
)
IGNORE_NEXT = say("ignore-msrs-next-boot", "Set kvm.ignore_msrs=1, for the next boot")


class SilenceIgnoredMsrs(Fix):
    """Sets `kvm.report_ignored_msrs=0`, for the next boot and now.

    The running kernel's parameter is written at once, so that no reboot is needed
    to benefit.
    """

    id = "silence-ignored-msrs"
    solves = ("kvm-reports-ignored-msrs",)
    summary = "Set kvm.report_ignored_msrs=0, for the next boot and now"

    def propose(self, finding: Finding, facts: Facts) -> Iterator[Change | Terms]:
        """Yield the argument, and the parameter if KVM is loaded."""
        now = facts[KvmParameters].report_ignored_msrs
        differs = not isinstance(now, Missing) and now != "N"
        if not differs:
            yield Terms(SILENT_NEXT)
        yield KernelArguments(set_=("kvm.report_ignored_msrs=0",))
        if differs:
            yield RuntimeParameter(f"{PARAMETERS}/report_ignored_msrs", "N")


class IgnoreUnknownMsrs(Fix):
    """Sets `kvm.ignore_msrs=1`, for the next boot and now.

    It is offered with `--ignore-msrs` only, and made with `--risky` only: it
    changes what every guest sees, and most guests run well without it.
    """

    id = "ignore-unknown-msrs"
    solves = ("kvm-msrs-not-ignored",)
    applicability = Applicability.RISKY
    summary = "Set kvm.ignore_msrs=1, for the next boot and now"

    def propose(self, finding: Finding, facts: Facts) -> Iterator[Change | Terms]:
        """Yield nothing unless it is asked for; else the argument and parameter."""
        if not facts.options.ignore_msrs:
            return
        differs = facts[KvmParameters].ignore_msrs == "N"
        yield Terms(
            None if differs else IGNORE_NEXT,
            may_be_lost=say(
                "msrs-hidden-errors",
                "A guest then no longer sees real errors: a program or driver in it may"
                " go on with a wrong value.",
            ),
        )
        yield KernelArguments(set_=("kvm.ignore_msrs=1",))
        if differs:
            yield RuntimeParameter(f"{PARAMETERS}/ignore_msrs", "Y")
