"""Keep KVM from reporting ignored MSR accesses."""

from __future__ import annotations

from vfio_doctor.api import (
    Change,
    Facts,
    Finding,
    Fix,
    Iterator,
    KernelArguments,
    KvmParameters,
    Missing,
    RuntimeParameter,
)

REPORT = "kvm.report_ignored_msrs"
IGNORE = "kvm.ignore_msrs"
RUNTIME = "/sys/module/kvm/parameters/report_ignored_msrs"


class SilenceIgnoredMsrs(Fix):
    """Sets `kvm.report_ignored_msrs=0`, for the next boot and now.

    The running kernel's parameter is written at once, so that no reboot is needed
    to benefit.

    `kvm.ignore_msrs=1` is set along with it only with `--ignore-msrs`: it changes
    what a guest sees, and is not needed to quiet the log.
    """

    id = "silence-ignored-msrs"
    solves = ("kvm-reports-ignored-msrs",)
    summary = "Set kvm.report_ignored_msrs=0, for the next boot and now"

    def propose(self, finding: Finding, facts: Facts) -> Iterator[Change]:
        """Yield the argument, and the parameter where KVM is loaded."""
        also = (f"{IGNORE}=1",) if facts.options.ignore_msrs else ()
        yield KernelArguments(set_=(f"{REPORT}=0", *also))
        now = facts[KvmParameters].report_ignored_msrs
        if not isinstance(now, Missing) and now != "N":
            yield RuntimeParameter(RUNTIME, "N")
