"""Loaded modules, the kvmfr module's file, and who may load what."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from vfio_doctor.facts.base import MissingFact
from vfio_doctor.host.reader import Missing

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.parse.modinfo import ModuleInfo


class LoadedModules(NamedTuple):
    """Names of ``/proc/modules``, spelt with ``_``; built-in ones are not there."""

    names: frozenset[str]

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> LoadedModules:
        """Read ``/proc/modules``."""
        raise MissingFact("loaded modules: not read yet")

    def __contains__(self, module: object) -> bool:
        """Tell whether a module is loaded, ``-`` and ``_`` being equal."""
        return str(module).replace("-", "_") in self.names


class KvmfrModule(NamedTuple):
    """The module itself: loaded or not, and its file for two kernels.

    ``running`` and ``following`` are the path of ``kvmfr.ko*`` for the running
    kernel and for the one that boots next, or why there is none (ABSENT: proven
    not there). ``version`` and ``devices`` are of the loaded module:
    ``/sys/module/kvmfr/version`` and the names in ``/sys/class/kvmfr``.
    """

    loaded: bool
    version: str
    devices: tuple[str, ...] | Missing
    release: str
    running: str | Missing
    next_release: str | Missing
    following: str | Missing
    elsewhere: tuple[str, ...]

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> KvmfrModule:
        """Read sysfs and look for the file."""
        raise MissingFact("kvmfr module: not read yet")


class KvmfrModuleInfo(NamedTuple):
    """What ``modinfo`` says of the file for the running kernel."""

    info: ModuleInfo

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> KvmfrModuleInfo:
        """Run ``modinfo -k RELEASE kvmfr``."""
        raise MissingFact("modinfo: not run yet")


class ModuleSigning(NamedTuple):
    """What the running kernel demands of a module's signature.

    ``lockdown`` is ``none``, ``integrity`` or ``confidentiality``;
    ``secure_boot`` comes from the firmware's variable, false without EFI.
    """

    sig_enforce: bool | Missing
    lockdown: str | Missing
    secure_boot: bool | Missing

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> ModuleSigning:
        """Read the three switches."""
        raise MissingFact("module signing: not read yet")
