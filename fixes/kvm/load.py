"""Load the module that makes ``/dev/kvm``."""

from __future__ import annotations

from vfio_doctor.api import (
    CannotFix,
    Change,
    Cpu,
    Facts,
    Finding,
    Fix,
    Iterator,
    KernelCmdline,
    KvmDevice,
    LoadModule,
    Missing,
    ModuleConfig,
    Why,
)

MODULES = {"vmx": "kvm_intel", "svm": "kvm_amd"}


class LoadKvm(Fix):
    """Loads `kvm_intel` or `kvm_amd`, whichever the processor can use.

    Nothing is written: at boot udev loads the module by itself. Where somebody
    keeps the module out on purpose (a blacklist), it is left alone.
    """

    id = "load-kvm"
    solves = ("kvm-device-missing",)
    summary = "Load the KVM module of this processor"

    def propose(self, finding: Finding, facts: Facts) -> Iterator[Change]:
        """Yield the loading; decline where it cannot help."""
        stat = facts[KvmDevice].stat
        if not (isinstance(stat, Missing) and stat.why is Why.ABSENT):
            raise CannotFix("something else stands at /dev/kvm; it is left alone")
        module = MODULES.get(facts[Cpu].virtualization)
        if module is None:
            raise CannotFix("the processor shows neither vmx nor svm")
        if module in facts[KvmDevice].modules:
            raise CannotFix(f"{module} is loaded and made no device; restart")
        for name in (module, "kvm"):
            by = facts[ModuleConfig].blacklisted(name, facts[KernelCmdline].line)
            if by:
                raise CannotFix(f"{name} is kept out by {by}; take that out first")
        yield LoadModule(module)
