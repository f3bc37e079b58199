"""A rule page's example: the finding as a report shows it, from a sick host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.diagnosis.report import assemble
from vfio_doctor.facts.base import Facts
from vfio_doctor.model import RunInfo
from vfio_doctor.report.style import Look
from vfio_doctor.report.text import render_one

if TYPE_CHECKING:
    from vfio_doctor.api import Check
    from vfio_doctor.host.captured import CapturedHost


def example(check: type[Check], host: CapturedHost) -> str:
    """Return how a host that fails the check is reported."""
    facts, registry = Facts(host), load()
    results = diagnose(facts, registry, (check.id,))
    report = assemble(host, facts, results, RunInfo("", 0, f"host {host.name}"))
    return render_one(report, Look(verbosity=1))
