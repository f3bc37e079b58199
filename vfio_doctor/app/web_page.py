"""The report as a page, with the plan and the map of the devices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.app.output import look
from vfio_doctor.facts.base import MissingFact
from vfio_doctor.report.web.page import Parts, render

if TYPE_CHECKING:
    from vfio_doctor.app.chosen import Chosen
    from vfio_doctor.app.diagnosis import Diagnosed
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.facts.pci.table import DeviceTable
    from vfio_doctor.repair.values import Plan

# A plan, and lines on what became of it: none if it was not carried out.
Repair = tuple["Plan", tuple[str, ...]]


def web_page(done: Diagnosed, chosen: Chosen, repair: Repair | None) -> str:
    """Return the page; without a repair it shows what ``--fix`` would do."""
    plan, ended = repair or (_plan(done, chosen), ())
    seen = look("never", 0, chosen.output, chosen)
    parts = Parts(devices(done.facts), plan, ended)
    return render(done.report, parts, seen.called)


def _plan(done: Diagnosed, chosen: Chosen) -> Plan:
    from vfio_doctor.app.planning import planned

    return planned(done, chosen.risky)[0]


def devices(facts: Facts) -> DeviceTable | None:
    """Return what the map shows; None if the devices are not known."""
    from vfio_doctor.facts.pci.table import DeviceTable

    try:
        return facts[DeviceTable]
    except MissingFact:
        return None
