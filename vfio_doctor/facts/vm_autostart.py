"""Which VMs start with the host, and with which functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.base import missing_fact
from vfio_doctor.facts.vms import Vms
from vfio_doctor.host.reader import UNSAID, Missing, Why
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.facts.vms import Vm
    from vfio_doctor.host.reader import Reader

AUTOSTART = "/etc/libvirt/qemu/autostart"


class Autostart(NamedTuple):
    """The VMs that libvirt's system instance starts with the host."""

    names: tuple[str, ...] | Missing

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> Autostart:
        """List the folder of libvirt's links."""
        listed = host.list(AUTOSTART)
        if isinstance(listed, Missing):
            return cls(() if listed.why is Why.ABSENT else listed)
        return cls(tuple(name.removesuffix(".xml") for name in listed))


class StartedVms(NamedTuple):
    """The VMs with PCI functions that start with the host.

    ``unseen`` is why libvirt's are not known, if it has any that get a function.
    """

    vms: tuple[Vm, ...]
    unseen: Missing | None = None

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> StartedVms:
        """Ask who starts with the host only if a VM gets a function."""
        having = [vm for vm in facts[Vms].vms if vm.functions]
        names: tuple[str, ...] | Missing = ()
        if any(vm.of_system for vm in having):
            names = facts[Autostart].names
        listed = () if isinstance(names, Missing) else names
        started = (vm for vm in having if vm.onboot or _file(vm) in listed)
        unseen = names if isinstance(names, Missing) else None
        return cls(tuple(started), unseen)

    def demand_seen(self) -> None:
        """Raise `MissingFact` if others may start with the host."""
        if self.unseen is not None and self.unseen.why not in UNSAID:
            raise missing_fact(self.unseen)

    def having(self, bdf: str) -> tuple[str, ...]:
        """Return the names of those that get a function."""
        return tuple(vm.name for vm in self.vms if vm.gets(bdf))


def _file(vm: Vm) -> str:
    """Return what libvirt's link to a definition is called."""
    return vm.path.rpartition("/")[2].removesuffix(".xml") if vm.of_system else ""
