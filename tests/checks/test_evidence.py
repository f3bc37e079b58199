"""What evidence expects is what a repair makes, and differs from what was seen."""

from __future__ import annotations

import pytest

from support.effort import on_hosts
from support.fixture_hosts import catalogue
from vfio_doctor.app.diagnosis import Diagnosed
from vfio_doctor.app.planning import planned
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.diagnosis.report import assemble
from vfio_doctor.facts.base import Facts
from vfio_doctor.model import Diagnosis, FileStep, RunInfo, Status

REGISTRY = load()
RULES = ("kvmfr-rule-owner", "kvmfr-rule-too-late", "kvmfr-group-unknown")


def judged(name: str) -> Diagnosed:
    host = catalogue.host(name)
    facts = Facts(host)
    report = assemble(host, facts, diagnose(facts, REGISTRY), RunInfo("", 0, "x"))
    return Diagnosed(host, facts, REGISTRY, report)


def found(done: Diagnosed) -> list[tuple[str, Diagnosis]]:
    failed = [r for r in done.report.checks if r.status is Status.FAIL]
    return [(result.id, d) for result in failed for d in result.diagnoses]


@pytest.mark.parametrize("name", on_hosts(catalogue.names()))
def test_some_row_shows_the_fault(name: str) -> None:
    for rule, diagnosis in found(judged(name)):
        rows = diagnosis.finding.evidence
        same = [r for r in rows if r.expected and str(r.observed) == str(r.expected)]
        assert not rows or len(same) < len(rows), f"{rule}: {rows}"


@pytest.mark.parametrize("name", on_hosts(catalogue.names()))
def test_the_rule_that_is_expected_is_the_one_that_is_written(name: str) -> None:
    done = judged(name)
    plan, _ = planned(done, risky=False)
    files = [p.step for p in plan.steps if isinstance(p.step, FileStep)]
    after = "\n".join((step.after or b"").decode() for step in files)
    paths = [step.path for step in files if step.after is not None]
    for rule, diagnosis in found(done):
        fix = diagnosis.fix
        if rule not in RULES or fix is None or fix.cannot:
            continue
        for row in diagnosis.finding.evidence:
            if getattr(row.source, "id", "") == "kvmfr-rule-file":
                assert row.expected in paths
            elif "SUBSYSTEM" in str(row.observed) and "=" in str(row.expected):
                assert str(row.expected) in after
