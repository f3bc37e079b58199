"""A plan and what became of it, as plain JSON values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.language import in_english
from vfio_doctor.model import (
    CommandStep,
    DomainStep,
    FileStep,
    NodeStep,
    ParameterStep,
    ProbeStep,
)
from vfio_doctor.repair.values import OldPlace
from vfio_doctor.report.json import location, message, plain, said
from vfio_doctor.report.plan import detail, headline, headline_message
from vfio_doctor.report.way_back import way_back

if TYPE_CHECKING:
    from vfio_doctor.model import Step
    from vfio_doctor.repair.values import (
        Outcome,
        Plan,
        PlannedFix,
        Refused,
        Served,
        StepResult,
        Verdict,
    )


@in_english
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
        "refused": [_refused(refused) for refused in plan.refused],
        "basis": plain(plan.basis),
        "way_back": way_back(plan) if plan.steps else [],
    }


def _fix(fix: PlannedFix) -> dict[str, object]:
    return {
        "id": fix.id,
        "summary": str(fix.summary),
        "applicability": fix.applicability.value,
        "reboot": fix.reboot,
        "findings": [_served(found) for found in fix.findings],
        "changes": [
            {"kind": type(change).__name__, "wish": plain(change)}
            for change in fix.changes
        ],
        "may_be_lost": said(fix.may_be_lost),
        "messages": {
            "summary": message(fix.summary),
            "may_be_lost": message(fix.may_be_lost),
        },
    }


def _served(found: Served) -> dict[str, object]:
    """Return a finding that a repair is for; old journals know no location."""
    return {
        "check": found.check,
        "subject": found.subject,
        "location": None
        if isinstance(found.place, OldPlace)
        else location(found.place),
    }


def _refused(refused: Refused) -> dict[str, object]:
    return {
        "fixes": list(refused.fixes),
        "findings": [_served(found) for found in refused.findings],
        "why": str(refused.why),
        "unseen": refused.unseen,
        "messages": {"why": message(refused.why)},
    }


@in_english
def step_document(step: Step) -> dict[str, object]:
    """Return a step: its kind, one line, and its fields."""
    kinds = {
        FileStep: "file",
        NodeStep: "node",
        ParameterStep: "parameter",
        ProbeStep: "probe",
        DomainStep: "domain",
    }
    fields = plain(step)
    assert isinstance(fields, dict)
    has_diff = isinstance(step, FileStep | DomainStep)
    lines = list(detail(step)) if has_diff else []
    if isinstance(step, DomainStep):
        # A definition holds passwords; the diff is what matters of it.
        del fields["before"], fields["after"]
    messages = {"what": message(headline_message(step))}
    if isinstance(step, CommandStep):
        fields["why"] = said(step.why)
        messages["why"] = message(step.why)
    return {
        "kind": kinds.get(type(step), "command"),
        "what": headline(step),
        "diff": lines,
        **fields,
        "messages": messages,
    }


@in_english
def results_document(
    outcome: Outcome, verdicts: tuple[Verdict, ...]
) -> list[dict[str, object]]:
    """Return the report's field ``results``: the run, its steps, the findings."""
    return [
        {
            "ending": outcome.ending.value,
            "run": outcome.run,
            "why": said(outcome.why),
            "steps": [_result(result) for result in outcome.steps],
            "findings": [_verdict(verdict) for verdict in verdicts],
            "messages": {"why": message(outcome.why)},
        }
    ]


def _result(result: StepResult) -> dict[str, object]:
    what = headline_message(result.step)
    return {
        "step": headline(result.step),
        "state": result.state.value,
        "why": said(result.why),
        "messages": {"step": message(what), "why": message(result.why)},
    }


def _verdict(verdict: Verdict) -> dict[str, object]:
    return {
        **_served(verdict.finding),
        "effect": verdict.effect.value,
        "why": said(verdict.why),
        "messages": {"why": message(verdict.why)},
    }
