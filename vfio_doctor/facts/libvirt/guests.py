"""VMs that map a kvmfr device, or the file of plain shared memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.base import NotApplicable, known
from vfio_doctor.facts.kvmfr.intent import KvmfrIntent
from vfio_doctor.facts.kvmfr.names import KVMFR
from vfio_doctor.facts.kvmfr.node import KvmfrNodes
from vfio_doctor.facts.vms import Vm, Vms
from vfio_doctor.messages import say
from vfio_doctor.parse.domain_memory import Mapping
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Missing, Reader

NO_VM = say("kvmfr-no-vm-maps", "no VM that is defined here maps a kvmfr device")
ONLY_OWN = say(
    "kvmfr-only-own-vms", "only VMs of the user session map a kvmfr device here"
)


class KvmfrVms(NamedTuple):
    """VMs whose QEMU maps a kvmfr device; ``unread``: others that may."""

    vms: tuple[tuple[Vm, Mapping], ...]
    unread: tuple[Missing, ...]

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> KvmfrVms:
        """Take them from the definitions of the system and of the person."""
        prefix = f"/dev/{KVMFR}"
        found = (
            (vm, mapped)
            for vm in facts[Vms].vms
            for mapped in vm.shared.mapped
            if mapped.path.startswith(prefix) and mapped.path[len(prefix) :].isdigit()
        )
        return cls(tuple(found), facts[Vms].unread)

    def demand(
        self, facts: Facts, system: bool = True
    ) -> tuple[tuple[Vm, Mapping], ...]:
        """Return them; raise `NotApplicable` if there is none to judge.

        With ``system``, only those that the system instance starts count. Raises
        `MissingFact` if there may be one that could not be read.
        """
        facts[KvmfrIntent].demand()
        found = tuple(pair for pair in self.vms if pair[0].of_system or not system)
        if not found:
            for missing in self.unread:
                known(missing)
            raise NotApplicable(ONLY_OWN if self.vms else NO_VM)
        return found

    def nodes(self) -> tuple[str, ...]:
        """Return the device nodes that VMs of the system instance map, in order."""
        paths = (mapped.path for vm, mapped in self.vms if vm.of_system)
        return tuple(sorted(set(paths)))

    def made(self, facts: Facts) -> tuple[str, ...]:
        """Return those of `nodes` that the module has made; all if it made none.

        Nothing opens the others to a VM; what it maps is another rule's matter.
        """
        made = {one.path for one in facts[KvmfrNodes].nodes if one.in_sysfs}
        return tuple(node for node in self.nodes() if node in made or not made)
