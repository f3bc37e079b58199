"""The report as Markdown for a GitHub issue: short on top, the rest folded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.model import Status
from vfio_doctor.report.steps import next_steps
from vfio_doctor.report.text import cautions, cure, failed, verdict
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
        yield f"\n> Note: {markdown(line)}"
    for result in failed(report):
        yield from _failure(result, report)
    yield from _steps(report)
    yield from _fold("The host", _host(report))
    yield from _fold("All checks", _checks(report))


def _failure(result: CheckResult, report: Report) -> Iterator[str]:
    severity = max(d.severity for d in result.diagnoses).word
    yield f"\n### {severity}: {markdown(result.title)} ({code(result.id)})"
    for diagnosis in result.diagnoses:
        yield f"\n{markdown(diagnosis.finding.message)}"
        yield from (f"\n- {markdown(line)}" for line in cure(diagnosis))
        yield from _fold("Evidence", _evidence(diagnosis.finding.evidence))
    if result.reason:
        yield f"\nNot everything could be seen: {markdown(result.reason)}"
    waiting = [code(r.id) for r in report.checks if result.id in r.blocked_by]
    if waiting:
        yield f"\nAlso affects: {', '.join(waiting)}"


def _evidence(rows: tuple[Evidence, ...]) -> list[str]:
    if not rows:
        return []
    cells = [
        f"| {code(r.source)} | {code(r.observed)} | {code(r.expected)} |" for r in rows
    ]
    return ["| Where | Seen | Expected |", "| --- | --- | --- |", *cells]


def _steps(report: Report) -> Iterator[str]:
    steps = next_steps(report)
    if steps:
        yield "\n### What to do next\n"
    for number, step in enumerate(steps, 1):
        yield f"{number}. {markdown(step)}"


def _host(report: Report) -> list[str]:
    host, boot = report.host, report.boot
    rows = (
        ("read", report.run.source),
        ("system", host.os),
        ("image", host.image),
        ("kernel", host.kernel),
        ("machine", host.machine),
        ("cpu", host.cpu),
        ("container", host.container),
        ("VM user", host.user),
        ("boot", boot.stack),
        ("arguments now", boot.now),
        ("arguments at the next boot", boot.next),
    )
    shown = [f"| {name} | {code(value)} |" for name, value in rows if value]
    return ["| | |", "| --- | --- |", *shown]


def _checks(report: Report) -> list[str]:
    rows = []
    for result in report.checks:
        why: str | Message = result.reason or ""
        if result.status is Status.BLOCKED:
            why = f"waits for {', '.join(result.blocked_by)}"
        rows.append(f"| {code(result.id)} | {result.status.value} | {code(why)} |")
    return ["| Check | Result | Why |", "| --- | --- | --- |", *rows]


def _fold(summary: str, lines: list[str]) -> Iterator[str]:
    if lines:
        yield f"\n<details><summary>{html(summary)}</summary>\n"
        yield from lines
        yield "\n</details>"
