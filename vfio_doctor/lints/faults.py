"""What the lints find in all definitions of a host: errors only, said nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.base import NotApplicable
from vfio_doctor.facts.vms import (
    LARGEST,
    NO_VMS,
    NO_XML,
    Definitions,
    Vms,
    demand_vms,
)
from vfio_doctor.host.reader import Missing, Why
from vfio_doctor.lints import every
from vfio_doctor.lints.judge import judge_all, judge_read
from vfio_doctor.model import Severity
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.base import Facts, MissingFact
    from vfio_doctor.facts.vms import Vm
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.lints.judge import Fault, Judged
    from vfio_doctor.lints.lint import Lint


class FaultyDomain(NamedTuple):
    """One VM and its errors; ``denied`` is what root would have told."""

    vm: Vm
    faults: tuple[Fault, ...]
    denied: tuple[MissingFact, ...] = ()


class DomainFaults(NamedTuple):
    """All VMs of libvirt's that could be read, and definitions that could not.

    ``broken`` are paths of those that nobody can read.
    """

    domains: tuple[FaultyDomain, ...]
    unread: tuple[Missing, ...] = ()
    broken: tuple[str, ...] = ()

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> DomainFaults:
        """Judge each definition with the lints that are for the host's report."""
        demand_vms(facts)
        found = facts[Vms]
        broken = tuple(m.source for m in found.unread if m.detail == NO_XML)
        unread = tuple(m for m in found.unread if m.detail != NO_XML)
        return cls(tuple(_judged(found.vms, host, facts)), unread, broken)

    def demand(self) -> None:
        """Raise `NotApplicable` if there is none."""
        if not (self.domains or self.unread or self.broken):
            raise NotApplicable(NO_VMS)


def _judged(own: tuple[Vm, ...], host: Reader, facts: Facts) -> Iterator[FaultyDomain]:
    lints = [lint for lint in every() if _is_for_host(lint)] if own else []
    for vm in own:
        judged = _one(vm, lints, host, facts)
        if judged is None:
            continue
        yield FaultyDomain(
            vm,
            tuple(f for f in judged.faults if _counts(f)),
            # What a capture was not asked for is not to be had.
            tuple(u.why for u in judged.untold if u.why.why is Why.DENIED),
        )


def _is_for_host(lint: type[Lint]) -> bool:
    return not lint.vm_only and (not lint.rule or lint.rule_of_some)


def _counts(fault: Fault) -> bool:
    """Tell whether it is an error that no other check says."""
    said = bool(fault.lint.rule) and fault.by_rule
    return fault.severity is Severity.ERROR and not said


def _one(vm: Vm, lints: list[type[Lint]], host: Reader, facts: Facts) -> Judged | None:
    if vm.of_proxmox:
        data = host.read_bytes(vm.path, LARGEST)
        if isinstance(data, Missing):
            return None
        return judge_all(data, vm.path, facts, lints)[0]
    document = facts[Definitions].read(vm.path)
    if isinstance(document, Missing):
        return None
    return judge_read(document, vm.path, facts, lints)
