"""The report as Markdown for a GitHub issue: short on top, the rest folded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.messages import say
from vfio_doctor.model import Status
from vfio_doctor.report.steps import next_steps
from vfio_doctor.report.text import (
    ALSO,
    EVIDENCE,
    NEXT,
    NOTE,
    cautions,
    cure,
    failed,
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
    yield from _fold(say("fold-host", "The host"), _host(report))
    yield from _fold(say("fold-checks", "All checks"), _checks(report))


def _failure(result: CheckResult, report: Report) -> Iterator[str]:
    severity = max(d.severity for d in result.diagnoses).word
    yield f"\n### {severity}: {markdown(result.title)} ({code(result.id)})"
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
    host, boot = report.host, report.boot
    rows = (
        (say("row-read", "read"), report.run.source),
        (say("row-system", "system"), host.os),
        (say("row-image", "image"), host.image),
        (say("row-kernel", "kernel"), host.kernel),
        (say("row-machine", "machine"), host.machine),
        (say("row-cpu", "CPU"), host.cpu),
        (say("row-container", "container"), host.container),
        (say("row-user", "VM user"), host.user),
        (say("row-boot", "boot"), boot.stack),
        (say("row-arguments-now", "arguments now"), boot.now),
        (say("row-arguments", "arguments at the next boot"), boot.next),
    )
    shown = [f"| {markdown(name)} | {code(value)} |" for name, value in rows if value]
    return ["| | |", "| --- | --- |", *shown]


def _checks(report: Report) -> list[str]:
    rows = []
    for result in report.checks:
        why: str | Message = result.reason or ""
        if result.status is Status.BLOCKED:
            waits = say("row-waits", "waits for {checks}")
            why = waits.filled(checks=", ".join(result.blocked_by))
        rows.append(f"| {code(result.id)} | {result.status.value} | {code(why)} |")
    heads = (
        say("table-check", "Check"),
        say("table-result", "Result"),
        say("table-why", "Why"),
    )
    return [_row(*heads), "| --- | --- | --- |", *rows]


def _fold(summary: Message, lines: list[str]) -> Iterator[str]:
    if lines:
        yield f"\n<details><summary>{html(str(summary))}</summary>\n"
        yield from lines
        yield "\n</details>"
