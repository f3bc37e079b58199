"""A row of `triage` promises what the single report of that capture does."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.effort import on_hosts
from support.fixture_hosts import catalogue
from vfio_doctor.app.chosen import Chosen
from vfio_doctor.app.diagnosis import diagnosed, with_waiting
from vfio_doctor.app.triage_rows import row
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.facts.base import Options
from vfio_doctor.host.capture_io import save
from vfio_doctor.model import Report
from vfio_doctor.report.steps import next_steps
from vfio_doctor.report.triage import Row

REGISTRY = load()


def both(tmp_path: Path, name: str) -> tuple[Row, Report]:
    """Return what triage says of a capture, and its own report."""
    path = tmp_path / f"{name}.host"
    save(catalogue.capture(name), path)
    # Counted where the report is printed with its next steps.
    report = with_waiting(*diagnosed(Chosen(capture=str(path))))
    return row(str(path), REGISTRY, Options()), report


def promised(report: Report) -> bool:
    """Tell whether the report has a repair for its first root cause."""
    roots = report.summary.root_causes
    found = next(d for r in report.checks if r.id == roots[0] for d in r.diagnoses)
    return found.fix is not None and found.fix.cannot is None


@pytest.mark.parametrize("name", on_hosts(catalogue.names()))
def test_a_row_says_what_the_report_says(tmp_path: Path, name: str) -> None:
    told, report = both(tmp_path, name)
    assert told.next_step == str(next(iter(next_steps(report)), ""))
    assert told.root_causes == report.summary.root_causes
    if told.root_causes:
        assert told.who.startswith("--fix") == promised(report)


@pytest.mark.parametrize(
    ("name", "who", "next_step"),
    [
        ("case-vfio-11c-unraid-limine-after", "by hand", "By hand, follow the advice"),
        ("case-read-018", "by hand", "By hand, follow the advice under grub-file-bro"),
        ("debian12-vm-no-local-file", "--fix", "repairs 2 problems, 1 of which come"),
    ],
    ids=["withdrawn", "withdrawn with the file", "one that waits"],
)
def test_no_plan_no_promise(
    tmp_path: Path, name: str, who: str, next_step: str
) -> None:
    told, _ = both(tmp_path, name)
    assert told.who == who
    assert next_step in told.next_step
