"""The plug-in surface: all that a check or a fix may import.

A check judges facts and yields findings; a fix turns one finding into changes.
Both are pure: no file, process, clock or environment.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar

from vfio_doctor.facts.accounts import Accounts, HumanUser
from vfio_doctor.facts.base import (
    CannotFix,
    Facts,
    MissingFact,
    NotApplicable,
    Options,
    known,
    missing_fact,
)
from vfio_doctor.facts.board import Board
from vfio_doctor.facts.boot.arguments import BootArguments
from vfio_doctor.facts.boot.iommu_arguments import Idle, disabling, without_effect
from vfio_doctor.facts.boot.next_kernel import NextKernel
from vfio_doctor.facts.boot.stack import BootKind, BootStack
from vfio_doctor.facts.cpu import Cpu
from vfio_doctor.facts.initramfs import InitramfsModules
from vfio_doctor.facts.iommu import (
    AcpiTables,
    DmarTable,
    InterruptRemapping,
    Iommu,
    IommuMaker,
)
from vfio_doctor.facts.kernel import KernelCmdline, KernelRelease
from vfio_doctor.facts.kvm import KvmAccess, KvmDevice, KvmParameters
from vfio_doctor.facts.kvmfr.access import KvmfrAccess, NodeAccess
from vfio_doctor.facts.kvmfr.intent import KvmfrIntent
from vfio_doctor.facts.kvmfr.node import KvmfrNode, KvmfrNodes, KvmfrSizes
from vfio_doctor.facts.kvmfr.rules import KvmfrRules
from vfio_doctor.facts.kvmfr.size import (
    ConnectedModes,
    KvmfrSettings,
    KvmfrSize,
    SizeSetting,
)
from vfio_doctor.facts.module_config import ModuleConfig, ModuleOption, Note
from vfio_doctor.facts.modules import (
    BuiltinModules,
    KernelMessages,
    KvmfrFile,
    KvmfrIndexed,
    KvmfrInfo,
    KvmfrLoaded,
    LoadedModules,
    ModuleSigning,
)
from vfio_doctor.facts.pci import (
    DeviceRow,
    DeviceTable,
    GroupTypes,
    IommuGroup,
    IommuGroups,
    PciDevice,
    PciDevices,
)
from vfio_doctor.facts.qemu_user import QemuUser
from vfio_doctor.facts.system import Container, ImageInfo, OsRelease
from vfio_doctor.facts.udev import SystemdVersion, UdevFile, UdevRules
from vfio_doctor.host.reader import Kind, Missing, ProbeResult, Stat, Why
from vfio_doctor.messages import in_order, old_finding, say, verbatim
from vfio_doctor.model import (
    Actor,
    Applicability,
    Change,
    DeleteFile,
    EditLine,
    Evidence,
    FileContext,
    Finding,
    KernelArguments,
    LoadModule,
    Message,
    RestartService,
    RuntimeParameter,
    Severity,
    Terms,
    UdevTrigger,
    WriteFile,
)
from vfio_doctor.parse.cmdline import CommandLine
from vfio_doctor.parse.kernel_log import Conclusion, Match
from vfio_doctor.parse.modinfo import ModuleInfo
from vfio_doctor.parse.udev_effects import Assigned, Effects, Remark
from vfio_doctor.parse.udev_effects import is_system as is_system_id
from vfio_doctor.parse.udev_rules import Rule, has_assignment, replace_value
from vfio_doctor.parse.udev_rules import parse as parse_udev_rules
from vfio_doctor.places import (
    ArgumentPlace,
    DevicePlace,
    FilePlace,
    GroupPlace,
    HostPlace,
    ModulePlace,
    NodePlace,
    Place,
    VmPlace,
)

__all__ = [
    "ArgumentPlace",
    "DevicePlace",
    "FilePlace",
    "GroupPlace",
    "HostPlace",
    "ModulePlace",
    "NodePlace",
    "Place",
    "VmPlace",
    "missing_fact",
    "Accounts",
    "AcpiTables",
    "Actor",
    "Applicability",
    "Assigned",
    "Board",
    "BootArguments",
    "BootKind",
    "BootStack",
    "BuiltinModules",
    "CannotFix",
    "Change",
    "Check",
    "CommandLine",
    "Conclusion",
    "ConnectedModes",
    "Container",
    "Cpu",
    "DeleteFile",
    "DeviceRow",
    "DeviceTable",
    "DmarTable",
    "EditLine",
    "Effects",
    "Evidence",
    "Facts",
    "FileContext",
    "Finding",
    "Fix",
    "GroupTypes",
    "HumanUser",
    "Idle",
    "ImageInfo",
    "InitramfsModules",
    "InterruptRemapping",
    "Iommu",
    "IommuGroup",
    "IommuGroups",
    "IommuMaker",
    "Iterable",
    "Iterator",
    "KernelArguments",
    "KernelCmdline",
    "KernelMessages",
    "KernelRelease",
    "Kind",
    "KvmAccess",
    "KvmDevice",
    "KvmParameters",
    "KvmfrAccess",
    "KvmfrFile",
    "KvmfrIndexed",
    "KvmfrInfo",
    "KvmfrIntent",
    "KvmfrLoaded",
    "KvmfrNode",
    "KvmfrNodes",
    "KvmfrRules",
    "KvmfrSettings",
    "KvmfrSize",
    "KvmfrSizes",
    "LoadModule",
    "LoadedModules",
    "Match",
    "Message",
    "Missing",
    "MissingFact",
    "ModuleConfig",
    "ModuleInfo",
    "ModuleOption",
    "ModuleSigning",
    "NextKernel",
    "NodeAccess",
    "NotApplicable",
    "Note",
    "Options",
    "OsRelease",
    "PciDevice",
    "PciDevices",
    "ProbeResult",
    "QemuUser",
    "Remark",
    "RestartService",
    "Rule",
    "RuntimeParameter",
    "Severity",
    "SizeSetting",
    "Stat",
    "SystemdVersion",
    "Terms",
    "UdevFile",
    "UdevRules",
    "UdevTrigger",
    "Why",
    "WriteFile",
    "disabling",
    "in_order",
    "has_assignment",
    "is_system_id",
    "known",
    "old_finding",
    "parse_udev_rules",
    "replace_value",
    "say",
    "verbatim",
    "without_effect",
]


class Check:
    """One rule: one fault that a host can have.

    A subclass in a loaded module is registered by being declared. Its docstring
    is the user's page, with the sections *What it does*, *Why is this bad?*,
    *How it is repaired*, *See it yourself* and *False alarms*.
    """

    id: ClassVar[str]
    severity: ClassVar[Severity]
    title: ClassVar[str]
    requires: ClassVar[tuple[str, ...]] = ()
    since: ClassVar[str] = "0.1"

    def judge(self, facts: Facts) -> Iterable[Finding]:
        """Yield one finding a fault; nothing means that all is well.

        Raises `NotApplicable` where there is nothing to judge and `MissingFact`
        (mostly through `known`) where the host does not say enough.
        """
        raise NotImplementedError


class Fix:
    """One repair of the faults that some checks find.

    Its docstring is printed in the rule reference. ``summary`` is one line in
    the imperative; ``reboot`` is true where the effect comes with the next boot.
    """

    id: ClassVar[str]
    solves: ClassVar[tuple[str, ...]]
    applicability: ClassVar[Applicability] = Applicability.SAFE
    summary: ClassVar[str]
    reboot: ClassVar[bool] = False

    def propose(self, finding: Finding, facts: Facts) -> Iterable[Change | Terms]:
        """Yield what is wanted; raise `CannotFix` if this host cannot have it.

        `Terms` among them say what the class does not say for every finding: the
        summary, whether it is risky, what may be lost.
        """
        raise NotImplementedError
