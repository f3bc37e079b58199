"""A rule page's example: the finding as a report shows it, from a fixture host."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.diagnosis.report import assemble
from vfio_doctor.facts.base import Facts
from vfio_doctor.host.capture_io import load as load_capture
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.model import RunInfo
from vfio_doctor.report.style import Look
from vfio_doctor.report.text import render_one

if TYPE_CHECKING:
    from pathlib import Path

    from vfio_doctor.api import Check


def example(check: type[Check], fixtures: Path) -> str:
    """Return how the first host that fails the check is reported, or ""."""
    for folder in failing_hosts(check.id, fixtures):
        host = CapturedHost(load_capture(str(folder)))
        facts, registry = Facts(host), load()
        results = diagnose(facts, registry, (check.id,))
        report = assemble(host, facts, results, RunInfo("", 0, f"host {folder.name}"))
        return render_one(report, Look(verbosity=1))
    return ""


def failing_hosts(check_id: str, fixtures: Path) -> list[Path]:
    """Return the fixture hosts whose ``expected.json`` says the check fails."""
    found = []
    for path in sorted(fixtures.glob("*/expected.json")):
        expected = json.loads(path.read_text(encoding="utf-8"))
        if expected.get(check_id) == "fail":
            found.append(path.parent)
    return found
