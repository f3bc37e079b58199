"""A plan as part of a page: each step, and what it changes as a diff."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.messages import say
from vfio_doctor.model import FileStep
from vfio_doctor.report.plan import (
    AFTER,
    ARGUMENTS,
    BEFORE,
    LATE,
    detail,
    headline_message,
    in_order_made,
    shown_steps,
)
from vfio_doctor.report.untrusted import markup
from vfio_doctor.report.way_back import way_back
from vfio_doctor.report.web.markup import element, fold, words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from vfio_doctor.boot.backend import ArgumentEdit
    from vfio_doctor.model import Step
    from vfio_doctor.repair.values import Plan, PlannedFix
    from vfio_doctor.report.pasted import Called

WOULD = say("web-plan", "What the repair would do, step by step")
DID = say("web-plan-done", "What the repair did, step by step")
BACK = say("web-plan-back", "The way back")
# What a line of a diff is, by its first sign.
CHANGED = {"+": "ins", "-": "del"}


def body(plan: Plan, called: Called, done: bool = False) -> Iterator[str]:
    """Yield the plan's parts, none if it has no step; it may be ``done`` already."""
    if not plan.steps:
        return
    yield element("h2", words(DID if done else WOULD))
    fixes = (element("li", _fix(fix, called)) for fix in in_order_made(plan))
    yield element("ul", *fixes)
    steps = (element("li", _step(step, called)) for step in shown_steps(plan))
    yield element("ol", *steps)
    if plan.arguments is not None:
        yield from _arguments(plan.arguments)
    back = [called.command(line.lstrip()) for line in way_back(plan)]
    if back:
        lines = "\n".join(words(line, called) for line in back)
        yield fold(words(BACK), element("pre", lines, tabindex=0))


def _fix(fix: PlannedFix, called: Called) -> str:
    does = LATE.filled(summary=fix.summary) if fix.reboot else fix.summary
    lost = element("div", words(fix.may_be_lost, called)) if fix.may_be_lost else ""
    return words(does, called) + lost


def _step(step: Step, called: Called) -> str:
    lines = list(detail(step))
    if not lines:
        return words(headline_message(step))
    if not isinstance(step, FileStep):
        why = "".join(element("div", words(line, called)) for line in lines)
        return words(headline_message(step)) + why
    changed = element("pre", _difference(lines), tabindex=0)
    return fold(words(headline_message(step)), changed, open_=True)


def _difference(lines: Iterable[str]) -> str:
    """Return the lines of a diff, each marked as what it is."""
    marked = []
    for line in lines:
        tag = CHANGED.get(line[:1], "")
        whole = tag and not line.startswith(("+++ ", "--- "))
        marked.append(element(tag, markup(line)) if whole else markup(line))
    return "\n".join(marked)


def _arguments(edit: ArgumentEdit) -> Iterator[str]:
    yield element("p", element("strong", words(ARGUMENTS)))
    lines = (
        BEFORE.filled(line=" ".join(edit.before)),
        AFTER.filled(line=" ".join(edit.after)),
    )
    yield element("pre", "\n".join(map(markup, lines)), tabindex=0)
