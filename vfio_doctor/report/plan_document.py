"""A plan and what became of it, as plain JSON values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.model import FileStep, NodeStep, ParameterStep
from vfio_doctor.report.json import plain
from vfio_doctor.report.plan import detail, headline, way_back

if TYPE_CHECKING:
    from vfio_doctor.model import Step
    from vfio_doctor.repair.values import Outcome, Plan, PlannedFix, Verdict


def plan_document(plan: Plan) -> dict[str, object]:
    """Return the plan for the report's field ``plan``."""
    edit = plan.arguments
    return {
        "fixes": [_fix(fix) for fix in plan.fixes],
        "steps": [
            {**step_document(p.step), "fixes": list(p.fixes)} for p in plan.steps
        ],
        "arguments": plain(edit) if edit is not None else None,
        "tool": plan.tool,
        "reboot": plan.reboot,
        "left": [_fix(fix) for fix in plan.left],
        "refused": plain(plan.refused),
        "basis": plain(plan.basis),
        "way_back": way_back(plan) if plan.steps else [],
    }


def _fix(fix: PlannedFix) -> dict[str, object]:
    return {
        "id": fix.id,
        "summary": str(fix.summary),
        "applicability": fix.applicability.value,
        "reboot": fix.reboot,
        "findings": plain(fix.findings),
        "changes": [
            {"kind": type(change).__name__, "wish": plain(change)}
            for change in fix.changes
        ],
    }


def step_document(step: Step) -> dict[str, object]:
    """Return a step: its kind, one line, and its fields."""
    kinds = {FileStep: "file", NodeStep: "node", ParameterStep: "parameter"}
    fields = plain(step)
    assert isinstance(fields, dict)
    lines = list(detail(step)) if isinstance(step, FileStep) else []
    return {
        "kind": kinds.get(type(step), "command"),
        "what": headline(step),
        "diff": lines,
        **fields,
    }


def results_document(
    outcome: Outcome, verdicts: tuple[Verdict, ...]
) -> list[dict[str, object]]:
    """Return the report's field ``results``: the run, its steps, the findings."""
    run = {"ending": outcome.ending.value, "run": outcome.run, "why": outcome.why}
    steps = [
        {"step": headline(r.step), "state": r.state.value, "why": r.why}
        for r in outcome.steps
    ]
    findings = [
        {
            "check": v.finding.check,
            "subject": v.finding.subject,
            "effect": v.effect.value,
            "why": v.why,
        }
        for v in verdicts
    ]
    return [{**run, "steps": steps, "findings": findings}]
