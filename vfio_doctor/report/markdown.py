"""The report as Markdown for a GitHub issue: short on top, the rest folded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.messages import say
from vfio_doctor.report.order import failed
from vfio_doctor.report.rows import CHECK_HEADS, CHECKS, HOST, check_rows, host_rows
from vfio_doctor.report.steps import next_steps
from vfio_doctor.report.text import (
    ALSO,
    EVIDENCE,
    NEXT,
    NOTE,
    cautions,
    cure,
    not_all_seen,
    verdict,
)
from vfio_doctor.report.untrusted import code, html, markdown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.model import CheckResult, Evidence, Message, Report


def render(report: Report) -> str:
    """Return the report; no line of it can mention, link or break out of a fold."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    yield f"## {report.tool.name} {report.tool.version}"
    yield ""
    yield markdown(verdict(report))
    for line in cautions(report):
        yield f"\n> {markdown(NOTE.filled(note=line))}"
    for result in failed(report):
        yield from _failure(result, report)
    yield from _steps(report)
    yield from _fold(HOST, _host(report))
    yield from _fold(CHECKS, _checks(report))


def _failure(result: CheckResult, report: Report) -> Iterator[str]:
    severity = max(d.severity for d in result.diagnoses).word
    yield f"\n### {severity}: {markdown(result.heading)} ({code(result.id)})"
    for diagnosis in result.diagnoses:
        yield f"\n{markdown(diagnosis.finding.message)}"
        yield from (f"\n- {markdown(line)}" for line in cure(diagnosis))
        evidence = _evidence(diagnosis.finding.evidence)
        yield from _fold(say("fold-evidence", "Evidence"), evidence)
    if result.reason:
        yield f"\n{markdown(not_all_seen(result.reason))}"
    waiting = [f"`{r.id}`" for r in report.checks if result.id in r.blocked_by]
    if waiting:
        yield f"\n{markdown(ALSO.filled(checks=', '.join(waiting)))}"


def _evidence(rows: tuple[Evidence, ...]) -> list[str]:
    if not rows:
        return []
    cells = [
        f"| {code(r.source)} | {code(r.observed)} | {code(r.expected)} |" for r in rows
    ]
    return [_row(*EVIDENCE), "| --- | --- | --- |", *cells]


def _row(*cells: Message) -> str:
    return f"| {' | '.join(map(markdown, cells))} |"


def _steps(report: Report) -> Iterator[str]:
    steps = next_steps(report)
    if steps:
        yield f"\n### {markdown(NEXT)}\n"
    for number, step in enumerate(steps, 1):
        yield f"{number}. {markdown(step)}"


def _host(report: Report) -> list[str]:
    rows = host_rows(report)
    shown = [f"| {markdown(name)} | {code(value)} |" for name, value in rows]
    return ["| | |", "| --- | --- |", *shown]


def _checks(report: Report) -> list[str]:
    rows = (
        f"| {code(name)} | {end} | {code(why)} |"
        for name, end, why in check_rows(report)
    )
    return [_row(*CHECK_HEADS), "| --- | --- | --- |", *rows]


def _fold(summary: Message, lines: list[str]) -> Iterator[str]:
    if lines:
        yield f"\n<details><summary>{html(str(summary))}</summary>\n"
        yield from lines
        yield "\n</details>"
