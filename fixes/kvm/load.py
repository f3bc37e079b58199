"""Load the module that makes ``/dev/kvm``."""

from __future__ import annotations

from vfio_doctor.api import (
    Applicability,
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
    Terms,
    Why,
    say,
)

MODULES = {"vmx": "kvm_intel", "svm": "kvm_amd"}


class LoadKvm(Fix):
    """Loads `kvm_intel` or `kvm_amd`, whichever the processor can use.

    Nothing is written: at boot udev loads the module by itself. If somebody keeps
    the module out on purpose (a blacklist), it is left alone, and the line to
    delete is named.
    """

    id = "load-kvm"
    solves = ("kvm-device-missing",)
    summary = "Load the KVM module of this processor"

    def propose(self, finding: Finding, facts: Facts) -> Iterator[Change | Terms]:
        """Yield the loading, or what to delete first; decline if nothing helps."""
        module = _module(facts)
        for name in (module, "kvm"):
            by = facts[ModuleConfig].blacklisted(name, facts[KernelCmdline].line)
            if by:
                yield Terms(
                    say(
                        "load-kvm-by-hand",
                        "Delete what keeps {name} out, which is {source}; {module} is"
                        " then loaded at the next boot",
                        name=name,
                        source=by,
                        module=module,
                    ),
                    Applicability.MANUAL,
                    say(
                        "load-kvm-may-be-lost",
                        "Another program that uses the processor's virtualization,"
                        " such as VirtualBox, may stop working.",
                    ),
                )
                return
        yield LoadModule(module)


def _module(facts: Facts) -> str:
    """Return the module to load; raise `CannotFix` if loading cannot help."""
    kvm = facts[KvmDevice]
    if not (isinstance(kvm.stat, Missing) and kvm.stat.why is Why.ABSENT):
        raise CannotFix(
            say(
                "load-kvm-occupied",
                "something else stands at /dev/kvm; it is left alone",
            )
        )
    module = MODULES.get(facts[Cpu].virtualization)
    if module is None:
        raise CannotFix(
            say("load-kvm-no-flag", "the processor shows neither vmx nor svm")
        )
    if module in kvm.modules:
        raise CannotFix(
            say(
                "load-kvm-in-vain",
                "{module} is loaded and made no device; reboot",
                module=module,
            )
        )
    return module
