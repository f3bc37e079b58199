"""Areas of rules that are imported only if something asks for them.

An area is a folder below ``checks/`` and ``fixes/``. One without an entry here
concerns every host. The question is the cheapest that decides it; what cannot be
known decides nothing, and the rules then say so themselves. Rules that stay away
are still reported, as not applicable, from the index of their area.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from vfio_doctor.api import Check
from vfio_doctor.facts.base import NotApplicable
from vfio_doctor.model import Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.model import Finding

    Demand = Callable[[Facts], None]


def _kvmfr(facts: Facts) -> None:
    from vfio_doctor.facts.kvmfr.intent import KvmfrIntent

    facts[KvmfrIntent].demand()


def _libvirt(facts: Facts) -> None:
    from vfio_doctor.facts.libvirt.intent import LibvirtIntent

    facts[LibvirtIntent].demand()


def _vfio(facts: Facts) -> None:
    from vfio_doctor.facts.pci.claims import InstallScripts, VfioIds, VfioSettings
    from vfio_doctor.facts.pci.wanted import WantedDevices

    meant = facts[VfioIds].entries or facts[InstallScripts].scripts
    if not (meant or facts[VfioSettings].notes or facts[VfioSettings].unread):
        facts[WantedDevices].demand()


def _vm(facts: Facts) -> None:
    from vfio_doctor.facts.vms import demand_vms

    demand_vms(facts)


# Each raises `NotApplicable`, with what the report says, if nothing asks for the area.
DEMANDS: dict[str, Demand] = {
    "kvmfr": _kvmfr,
    "libvirt": _libvirt,
    "vfio": _vfio,
    "vm": _vm,
}


def unwanted(facts: Facts, select: Iterable[str]) -> tuple[str, ...]:
    """Return the areas that neither the host nor the command line asks for."""
    named = {word.partition("-")[0] for word in select}
    return tuple(a for a in DEMANDS if a not in named and unasked(a, facts))


def unasked(area: str, facts: Facts) -> NotApplicable | None:
    """Return why nothing on the host asks for an area, None if something may."""
    if area not in DEMANDS:
        return None
    try:
        DEMANDS[area](facts)
    except NotApplicable as why:
        return why
    except Exception:
        return None
    return None


def stand_ins(area: str) -> Iterator[type[Check]]:
    """Yield what is judged in place of an area's checks: not applicable, and why."""
    index = import_module(f"vfio_doctor.checks.{area}._index")
    for row in index.CHECKS:
        yield _stand_in(DEMANDS[area], *row)


def _stand_in(
    demand: Demand, name: str, heading: str, how_bad: str, waits_for: tuple[str, ...]
) -> type[Check]:
    class StandIn(Check):
        id = name
        title = heading
        severity = Severity[how_bad]
        requires = waits_for

        def judge(self, facts: Facts) -> Iterable[Finding]:
            demand(facts)
            raise AssertionError(f"{name} was left out, but is asked for")

    return StandIn
