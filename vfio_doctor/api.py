"""The plug-in surface: all that a check or a fix may import.

A check judges facts and yields findings; a fix turns one finding into changes.
Both are pure: no file, process, clock or environment.

To offer a name, add one line to the imports below. A rule pays only for what it
names: the lines are for type checkers and are read, not run (`__getattr__`).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from vfio_doctor.model import Applicability as Applicability

if TYPE_CHECKING:
    from collections.abc import Iterable as Iterable
    from collections.abc import Iterator as Iterator
    from typing import ClassVar as ClassVar

    from vfio_doctor.facts.accounts import Accounts as Accounts
    from vfio_doctor.facts.accounts import HumanUser as HumanUser
    from vfio_doctor.facts.base import CannotFix as CannotFix
    from vfio_doctor.facts.base import Facts as Facts
    from vfio_doctor.facts.base import MissingFact as MissingFact
    from vfio_doctor.facts.base import NotApplicable as NotApplicable
    from vfio_doctor.facts.base import Options as Options
    from vfio_doctor.facts.base import known as known
    from vfio_doctor.facts.base import missing_fact as missing_fact
    from vfio_doctor.facts.board import Board as Board
    from vfio_doctor.facts.boot.arguments import BootArguments as BootArguments
    from vfio_doctor.facts.boot.grub_file import GrubFile as GrubFile
    from vfio_doctor.facts.boot.idle_loaders import IdleLoaders as IdleLoaders
    from vfio_doctor.facts.boot.idle_loaders import IdleWords as IdleWords
    from vfio_doctor.facts.boot.iommu_arguments import Idle as Idle
    from vfio_doctor.facts.boot.iommu_arguments import disabling as disabling
    from vfio_doctor.facts.boot.iommu_arguments import without_effect as without_effect
    from vfio_doctor.facts.boot.menu import MenuMaker as MenuMaker
    from vfio_doctor.facts.boot.next_kernel import NextKernel as NextKernel
    from vfio_doctor.facts.boot.stack import BootKind as BootKind
    from vfio_doctor.facts.boot.stack import BootStack as BootStack
    from vfio_doctor.facts.boot.ways import way_to_set as way_to_set
    from vfio_doctor.facts.cpu import Cpu as Cpu
    from vfio_doctor.facts.enrolled_keys import EnrolledKeys as EnrolledKeys
    from vfio_doctor.facts.guest import LookingGlassGuest as LookingGlassGuest
    from vfio_doctor.facts.huge_pages import HugePages as HugePages
    from vfio_doctor.facts.huge_pages import Pool as Pool
    from vfio_doctor.facts.images.command import ImageCommands as ImageCommands
    from vfio_doctor.facts.images.initramfs import InitramfsModules as InitramfsModules
    from vfio_doctor.facts.images.late import LateImage as LateImage
    from vfio_doctor.facts.images.options import OldOption as OldOption
    from vfio_doctor.facts.images.options import OldOptions as OldOptions
    from vfio_doctor.facts.images.order import InitramfsOrder as InitramfsOrder
    from vfio_doctor.facts.images.tool import ImageKind as ImageKind
    from vfio_doctor.facts.init import OPENRC as OPENRC
    from vfio_doctor.facts.init import RUNIT as RUNIT
    from vfio_doctor.facts.init import Init as Init
    from vfio_doctor.facts.iommu import AcpiTables as AcpiTables
    from vfio_doctor.facts.iommu import DmarTable as DmarTable
    from vfio_doctor.facts.iommu import InterruptRemapping as InterruptRemapping
    from vfio_doctor.facts.iommu import Iommu as Iommu
    from vfio_doctor.facts.iommu import IommuMaker as IommuMaker
    from vfio_doctor.facts.kernel import KernelCmdline as KernelCmdline
    from vfio_doctor.facts.kernel import KernelRelease as KernelRelease
    from vfio_doctor.facts.kvm import KvmAccess as KvmAccess
    from vfio_doctor.facts.kvm import KvmDevice as KvmDevice
    from vfio_doctor.facts.kvm import KvmParameters as KvmParameters
    from vfio_doctor.facts.kvm import KvmRefused as KvmRefused
    from vfio_doctor.facts.kvm import kernel_boolean as kernel_boolean
    from vfio_doctor.facts.kvmfr.access import KvmfrAccess as KvmfrAccess
    from vfio_doctor.facts.kvmfr.access import NodeAccess as NodeAccess
    from vfio_doctor.facts.kvmfr.access import let_in_without_tag as let_in_without_tag
    from vfio_doctor.facts.kvmfr.client import ClientSetting as ClientSetting
    from vfio_doctor.facts.kvmfr.client import ClientSettings as ClientSettings
    from vfio_doctor.facts.kvmfr.good_rule import GoodKvmfrRule as GoodKvmfrRule
    from vfio_doctor.facts.kvmfr.install import KvmfrInstall as KvmfrInstall
    from vfio_doctor.facts.kvmfr.intent import KvmfrIntent as KvmfrIntent
    from vfio_doctor.facts.kvmfr.limits import is_good_size as is_good_size
    from vfio_doctor.facts.kvmfr.names import FIRST_NODE as FIRST_NODE
    from vfio_doctor.facts.kvmfr.names import LIST_FILE as LIST_FILE
    from vfio_doctor.facts.kvmfr.names import MODPROBE_FILE as MODPROBE_FILE
    from vfio_doctor.facts.kvmfr.names import PARAMETER as PARAMETER
    from vfio_doctor.facts.kvmfr.names import option_line as option_line
    from vfio_doctor.facts.kvmfr.node import KvmfrNode as KvmfrNode
    from vfio_doctor.facts.kvmfr.node import KvmfrNodes as KvmfrNodes
    from vfio_doctor.facts.kvmfr.node import KvmfrSizes as KvmfrSizes
    from vfio_doctor.facts.kvmfr.node import kvmfr_node as kvmfr_node
    from vfio_doctor.facts.kvmfr.node import kvmfr_refused as kvmfr_refused
    from vfio_doctor.facts.kvmfr.own_loading import OwnLoading as OwnLoading
    from vfio_doctor.facts.kvmfr.remarks import IDLE_TAG as IDLE_TAG
    from vfio_doctor.facts.kvmfr.remarks import remark_reason as remark_reason
    from vfio_doctor.facts.kvmfr.remarks import remark_unsure as remark_unsure
    from vfio_doctor.facts.kvmfr.remarks import what_udev_does as what_udev_does
    from vfio_doctor.facts.kvmfr.rule_by_hand import APPLY_RULES as APPLY_RULES
    from vfio_doctor.facts.kvmfr.rule_lines import RULE_FILE as RULE_FILE
    from vfio_doctor.facts.kvmfr.rule_lines import KvmfrLine as KvmfrLine
    from vfio_doctor.facts.kvmfr.rule_lines import (
        UnconditionalRules as UnconditionalRules,
    )
    from vfio_doctor.facts.kvmfr.rule_lines import kvmfr_lines as kvmfr_lines
    from vfio_doctor.facts.kvmfr.rules import KvmfrRules as KvmfrRules
    from vfio_doctor.facts.kvmfr.rules import Mention as Mention
    from vfio_doctor.facts.kvmfr.size import MIB as MIB
    from vfio_doctor.facts.kvmfr.size import WANTED_SIZE as WANTED_SIZE
    from vfio_doctor.facts.kvmfr.size import ConnectedModes as ConnectedModes
    from vfio_doctor.facts.kvmfr.size import KvmfrSettings as KvmfrSettings
    from vfio_doctor.facts.kvmfr.size import KvmfrSize as KvmfrSize
    from vfio_doctor.facts.kvmfr.size import SizeSetting as SizeSetting
    from vfio_doctor.facts.kvmfr.size import size_by_hand as size_by_hand
    from vfio_doctor.facts.kvmfr.size import wanted_by_vm as wanted_by_vm
    from vfio_doctor.facts.libvirt.account import QemuAccount as QemuAccount
    from vfio_doctor.facts.libvirt.conf import KVM as KVM
    from vfio_doctor.facts.libvirt.conf import DeviceList as DeviceList
    from vfio_doctor.facts.libvirt.conf import QemuConf as QemuConf
    from vfio_doctor.facts.libvirt.conf import with_devices as with_devices
    from vfio_doctor.facts.libvirt.confinement import MAP_MODULE as MAP_MODULE
    from vfio_doctor.facts.libvirt.confinement import MAP_RULE as MAP_RULE
    from vfio_doctor.facts.libvirt.confinement import VM_TYPE as VM_TYPE
    from vfio_doctor.facts.libvirt.confinement import AppArmor as AppArmor
    from vfio_doctor.facts.libvirt.confinement import Denials as Denials
    from vfio_doctor.facts.libvirt.confinement import (
        SecurityDrivers as SecurityDrivers,
    )
    from vfio_doctor.facts.libvirt.confinement import SeLinux as SeLinux
    from vfio_doctor.facts.libvirt.daemons import Daemon as Daemon
    from vfio_doctor.facts.libvirt.daemons import LibvirtDaemons as LibvirtDaemons
    from vfio_doctor.facts.libvirt.daemons import LibvirtPrograms as LibvirtPrograms
    from vfio_doctor.facts.libvirt.guests import KvmfrVms as KvmfrVms
    from vfio_doctor.facts.libvirt.intent import LibvirtIntent as LibvirtIntent
    from vfio_doctor.facts.libvirt.shared_memory import SHARED_FILE as SHARED_FILE
    from vfio_doctor.facts.libvirt.shared_memory import (
        LookingGlassMemory as LookingGlassMemory,
    )
    from vfio_doctor.facts.libvirt.shared_memory import TmpfilesLine as TmpfilesLine
    from vfio_doctor.facts.libvirt.shared_memory import tmpfiles_line as tmpfiles_line
    from vfio_doctor.facts.libvirt.units import DaemonUnit as DaemonUnit
    from vfio_doctor.facts.libvirt.units import Hiding as Hiding
    from vfio_doctor.facts.libvirt.units import LibvirtUnits as LibvirtUnits
    from vfio_doctor.facts.memory import FreeMemory as FreeMemory
    from vfio_doctor.facts.module_config import ModuleConfig as ModuleConfig
    from vfio_doctor.facts.module_config import ModuleOption as ModuleOption
    from vfio_doctor.facts.module_config import Note as Note
    from vfio_doctor.facts.module_config import let_in as let_in
    from vfio_doctor.facts.modules import KERNEL_LOG as KERNEL_LOG
    from vfio_doctor.facts.modules import NO_KVMFR_FILE as NO_KVMFR_FILE
    from vfio_doctor.facts.modules import BuiltinModules as BuiltinModules
    from vfio_doctor.facts.modules import KernelMessages as KernelMessages
    from vfio_doctor.facts.modules import KvmfrFile as KvmfrFile
    from vfio_doctor.facts.modules import KvmfrIndexed as KvmfrIndexed
    from vfio_doctor.facts.modules import KvmfrInfo as KvmfrInfo
    from vfio_doctor.facts.modules import KvmfrLoaded as KvmfrLoaded
    from vfio_doctor.facts.modules import LoadedModules as LoadedModules
    from vfio_doctor.facts.modules import ModuleSigning as ModuleSigning
    from vfio_doctor.facts.modules import captured_log as captured_log
    from vfio_doctor.facts.nixos import NIXOS_SIZE as NIXOS_SIZE
    from vfio_doctor.facts.nixos import Generated as Generated
    from vfio_doctor.facts.node import looks as looks
    from vfio_doctor.facts.passthrough import PassthroughIntent as PassthroughIntent
    from vfio_doctor.facts.pci.asked import AskedCard as AskedCard
    from vfio_doctor.facts.pci.asked import AskedCards as AskedCards
    from vfio_doctor.facts.pci.binding import BINDING_FILE as BINDING_FILE
    from vfio_doctor.facts.pci.binding import EARLY_MODULES as EARLY_MODULES
    from vfio_doctor.facts.pci.binding import Binding as Binding
    from vfio_doctor.facts.pci.binding import binding as binding
    from vfio_doctor.facts.pci.buses import ALONE as ALONE
    from vfio_doctor.facts.pci.buses import Bus as Bus
    from vfio_doctor.facts.pci.buses import SilentDevices as SilentDevices
    from vfio_doctor.facts.pci.buses import WantedBuses as WantedBuses
    from vfio_doctor.facts.pci.chipset import is_bridge as is_bridge
    from vfio_doctor.facts.pci.claims import Claim as Claim
    from vfio_doctor.facts.pci.claims import ClaimKind as ClaimKind
    from vfio_doctor.facts.pci.claims import InstallScripts as InstallScripts
    from vfio_doctor.facts.pci.claims import Script as Script
    from vfio_doctor.facts.pci.claims import VfioIds as VfioIds
    from vfio_doctor.facts.pci.claims import VfioSettings as VfioSettings
    from vfio_doctor.facts.pci.consoles import ServedByWeb as ServedByWeb
    from vfio_doctor.facts.pci.container import CONTAINER as CONTAINER
    from vfio_doctor.facts.pci.container import ContainerMode as ContainerMode
    from vfio_doctor.facts.pci.container import VfioContainer as VfioContainer
    from vfio_doctor.facts.pci.devices import PciDevice as PciDevice
    from vfio_doctor.facts.pci.devices import PciDevices as PciDevices
    from vfio_doctor.facts.pci.devices import members as members
    from vfio_doctor.facts.pci.framebuffer import HeldMemory as HeldMemory
    from vfio_doctor.facts.pci.groups import GroupTypes as GroupTypes
    from vfio_doctor.facts.pci.groups import IommuGroup as IommuGroup
    from vfio_doctor.facts.pci.groups import IommuGroups as IommuGroups
    from vfio_doctor.facts.pci.groups import WantedRegions as WantedRegions
    from vfio_doctor.facts.pci.groups import blocks as blocks
    from vfio_doctor.facts.pci.groups import regions_path as regions_path
    from vfio_doctor.facts.pci.groups import same_card as same_card
    from vfio_doctor.facts.pci.isolation import Isolation as Isolation
    from vfio_doctor.facts.pci.isolation import Joint as Joint
    from vfio_doctor.facts.pci.isolation import acs_overrides as acs_overrides
    from vfio_doctor.facts.pci.needs import HostNeeds as HostNeeds
    from vfio_doctor.facts.pci.needs import Need as Need
    from vfio_doctor.facts.pci.overrides import MISSPELT as MISSPELT
    from vfio_doctor.facts.pci.overrides import RESPELL as RESPELL
    from vfio_doctor.facts.pci.overrides import EmptyOverrides as EmptyOverrides
    from vfio_doctor.facts.pci.overrides import given_elsewhere as given_elsewhere
    from vfio_doctor.facts.pci.overrides import is_misspelt as is_misspelt
    from vfio_doctor.facts.pci.power import FunctionState as FunctionState
    from vfio_doctor.facts.pci.power import IdlePhysicals as IdlePhysicals
    from vfio_doctor.facts.pci.power import PhysicalFunction as PhysicalFunction
    from vfio_doctor.facts.pci.power import VfioPciParameters as VfioPciParameters
    from vfio_doctor.facts.pci.power import WantedStates as WantedStates
    from vfio_doctor.facts.pci.quicker import NAME_IDS as NAME_IDS
    from vfio_doctor.facts.pci.quicker import by_script as by_script
    from vfio_doctor.facts.pci.quicker import freed as freed
    from vfio_doctor.facts.pci.quicker import late_image as late_image
    from vfio_doctor.facts.pci.quicker import not_written as not_written
    from vfio_doctor.facts.pci.quicker import writer as writer
    from vfio_doctor.facts.pci.recorded_groups import RECORD as RECORD
    from vfio_doctor.facts.pci.recorded_groups import RecordedGroups as RecordedGroups
    from vfio_doctor.facts.pci.recorded_groups import recorded as recorded
    from vfio_doctor.facts.pci.refusals import refusals as refusals
    from vfio_doctor.facts.pci.regions import DIRECT as DIRECT
    from vfio_doctor.facts.pci.regions import DirectRegions as DirectRegions
    from vfio_doctor.facts.pci.screens import Connectors as Connectors
    from vfio_doctor.facts.pci.scripts import idle_script as idle_script
    from vfio_doctor.facts.pci.scripts import is_late as is_late
    from vfio_doctor.facts.pci.scripts import kms_drivers as kms_drivers
    from vfio_doctor.facts.pci.scripts import lacks_line as lacks_line
    from vfio_doctor.facts.pci.scripts import never_loads as never_loads
    from vfio_doctor.facts.pci.table import DeviceRow as DeviceRow
    from vfio_doctor.facts.pci.table import DeviceTable as DeviceTable
    from vfio_doctor.facts.pci.wanted import Wanted as Wanted
    from vfio_doctor.facts.pci.wanted import WantedDevices as WantedDevices
    from vfio_doctor.facts.qemu_user import QEMU_ACCOUNT as QEMU_ACCOUNT
    from vfio_doctor.facts.qemu_user import QemuUser as QemuUser
    from vfio_doctor.facts.system import Container as Container
    from vfio_doctor.facts.system import ImageInfo as ImageInfo
    from vfio_doctor.facts.system import OsRelease as OsRelease
    from vfio_doctor.facts.udev import SystemdVersion as SystemdVersion
    from vfio_doctor.facts.udev import UdevFile as UdevFile
    from vfio_doctor.facts.udev import UdevRules as UdevRules
    from vfio_doctor.facts.vfio_switches import VfioSwitch as VfioSwitch
    from vfio_doctor.facts.vfio_switches import VfioSwitches as VfioSwitches
    from vfio_doctor.facts.vm_autostart import StartedVms as StartedVms
    from vfio_doctor.facts.vm_host import ProgramVersions as ProgramVersions
    from vfio_doctor.facts.vms import LibvirtHooks as LibvirtHooks
    from vfio_doctor.facts.vms import Vm as Vm
    from vfio_doctor.facts.vms import Vms as Vms
    from vfio_doctor.host.reader import Kind as Kind
    from vfio_doctor.host.reader import Missing as Missing
    from vfio_doctor.host.reader import ProbeResult as ProbeResult
    from vfio_doctor.host.reader import Stat as Stat
    from vfio_doctor.host.reader import Why as Why
    from vfio_doctor.lints.faults import DomainFaults as DomainFaults
    from vfio_doctor.lints.faults import FaultyDomain as FaultyDomain
    from vfio_doctor.messages import in_order as in_order
    from vfio_doctor.messages import say as say
    from vfio_doctor.messages import verbatim as verbatim
    from vfio_doctor.model import Actor as Actor
    from vfio_doctor.model import Change as Change
    from vfio_doctor.model import DeleteFile as DeleteFile
    from vfio_doctor.model import EditLine as EditLine
    from vfio_doctor.model import EnableUnit as EnableUnit
    from vfio_doctor.model import Evidence as Evidence
    from vfio_doctor.model import FileContext as FileContext
    from vfio_doctor.model import Finding as Finding
    from vfio_doctor.model import KernelArguments as KernelArguments
    from vfio_doctor.model import LoadModule as LoadModule
    from vfio_doctor.model import Message as Message
    from vfio_doctor.model import PolicyModule as PolicyModule
    from vfio_doctor.model import ProbeDriver as ProbeDriver
    from vfio_doctor.model import RebuildImages as RebuildImages
    from vfio_doctor.model import RestartService as RestartService
    from vfio_doctor.model import RuntimeParameter as RuntimeParameter
    from vfio_doctor.model import Severity as Severity
    from vfio_doctor.model import Terms as Terms
    from vfio_doctor.model import UdevTrigger as UdevTrigger
    from vfio_doctor.model import WriteFile as WriteFile
    from vfio_doctor.parse.cmdline import CommandLine as CommandLine
    from vfio_doctor.parse.denials import Denial as Denial
    from vfio_doctor.parse.denials import categories_of as categories_of
    from vfio_doctor.parse.denials import type_of as type_of
    from vfio_doctor.parse.domain_memory import Mapping as Mapping
    from vfio_doctor.parse.kernel_log import Conclusion as Conclusion
    from vfio_doctor.parse.kernel_log import Match as Match
    from vfio_doctor.parse.modinfo import ModuleInfo as ModuleInfo
    from vfio_doctor.parse.modprobe import loads_itself as loads_itself
    from vfio_doctor.parse.pci import module_of as module_of
    from vfio_doctor.parse.pci_config import Acs as Acs
    from vfio_doctor.parse.qemu_conf import ConfMistake as ConfMistake
    from vfio_doctor.parse.systemd_versions import Systemd as Systemd
    from vfio_doctor.parse.systemd_versions import is_too_late as is_too_late
    from vfio_doctor.parse.udev_effects import Assigned as Assigned
    from vfio_doctor.parse.udev_effects import Effects as Effects
    from vfio_doctor.parse.udev_effects import Oddity as Oddity
    from vfio_doctor.parse.udev_effects import Remark as Remark
    from vfio_doctor.parse.udev_rules import Rule as Rule
    from vfio_doctor.parse.udev_rules import has_assignment as has_assignment
    from vfio_doctor.parse.udev_rules import parse_udev_rules as parse_udev_rules
    from vfio_doctor.parse.udev_rules import replace_value as replace_value
    from vfio_doctor.parse.vfio_ids import IdPattern as IdPattern
    from vfio_doctor.parse.vfio_ids import parse_ids as parse_ids
    from vfio_doctor.places import ArgumentPlace as ArgumentPlace
    from vfio_doctor.places import DevicePlace as DevicePlace
    from vfio_doctor.places import FilePlace as FilePlace
    from vfio_doctor.places import GroupPlace as GroupPlace
    from vfio_doctor.places import HostPlace as HostPlace
    from vfio_doctor.places import ModulePlace as ModulePlace
    from vfio_doctor.places import NodePlace as NodePlace
    from vfio_doctor.places import Place as Place
    from vfio_doctor.places import VmPlace as VmPlace
    from vfio_doctor.value import NamedTuple as NamedTuple


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
    # False: what it finds explains no other fault, so it is named after real ones.
    explains: ClassVar[bool] = True
    # True: what it finds is so whatever it waits for, and is repaired together with it.
    stands_alone: ClassVar[bool] = False
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

        A fix that yields nothing is not offered: what it does was not asked for.
        `Terms` among them say what the class does not say for every finding: the
        summary, whether it is risky, what may be lost.
        """
        raise NotImplementedError


if not TYPE_CHECKING:  # A checker would take every name for granted.

    def __getattr__(name: str) -> object:
        """Import what a rule names, when the first one names it."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module, own_name = _HOMES[name]
        value = globals()[name] = getattr(import_module(module), own_name)
        return value


def __dir__() -> list[str]:
    """Return what a rule may import."""
    return sorted({"Applicability", "Check", "Fix", *_HOMES})


def _homes() -> dict[str, tuple[str, str]]:
    """Return the module that each name comes from, and its name there.

    Read from the lines above: a second list of a hundred names would go stale.
    """
    # get_source would import tokenize, to look for a line about the encoding.
    source: str = globals()["__loader__"].get_data(__file__).decode()
    offered = source.partition("if TYPE_CHECKING:\n")[2].partition("\n\n\n")[0]
    homes = {}
    for line in offered.replace("(", "").replace(")", "").split(" from ")[1:]:
        module, _, names = line.partition(" import ")
        own_name, _, name = names.strip(" \n,").partition(" as ")
        homes[name] = module, own_name
    return homes


_HOMES = _homes()
