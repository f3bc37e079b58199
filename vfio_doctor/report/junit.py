"""The report as JUnit XML, for build servers: a test case for each check."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.messages import say
from vfio_doctor.model import Severity, Status
from vfio_doctor.report.rows import WAITS
from vfio_doctor.report.text import cure
from vfio_doctor.report.untrusted import markup

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.model import CheckResult, Diagnosis, Message, Report

NOTE = say("junit-note", "note: {message}")


def render(report: Report, fail_on: Severity) -> str:
    """Return the report; what is less severe than ``fail_on`` fails no test case."""
    cases = [line for result in report.checks for line in _case(result, fail_on)]
    counts = {kind: _count(cases, kind) for kind in ("failure", "error", "skipped")}
    numbers = (
        f'tests="{len(report.checks)}" failures="{counts["failure"]}"'
        f' errors="{counts["error"]}" skipped="{counts["skipped"]}"'
    )
    suite = (
        f'<testsuite name="{report.tool.name}" {numbers}'
        f' timestamp="{markup(report.run.started.rstrip("Z"))}"'
        f' time="{report.run.duration_ms / 1000:.3f}"'
        f' hostname="{markup(report.run.source)}">'
    )
    head = '<?xml version="1.0" encoding="UTF-8"?>'
    lines = [head, f"<testsuites {numbers}>", suite, *cases]
    return "\n".join([*lines, "</testsuite>", "</testsuites>", ""])


def _count(lines: list[str], kind: str) -> int:
    return sum(line.startswith(f"<{kind} ") for line in lines)


def _case(result: CheckResult, fail_on: Severity) -> Iterator[str]:
    area = result.id.partition("-")[0]
    yield (
        f'<testcase classname="vfio-doctor.{area}" name="{markup(result.id)}" time="0">'
    )
    yield from _ending(result, fail_on)
    yield "</testcase>"


def _ending(result: CheckResult, fail_on: Severity) -> Iterator[str]:
    if result.status is Status.ERROR:
        yield f'<error message="{markup(result.reason or "")}"/>'
    elif result.status is Status.BLOCKED:
        yield _skipped(WAITS.filled(checks=", ".join(result.blocked_by)))
    elif result.status is not Status.FAIL and result.status is not Status.PASS:
        yield _skipped(f"{result.status.value}: {result.reason or ''}")
    failures = [d for d in result.diagnoses if d.severity >= fail_on]
    notes = [d for d in result.diagnoses if d.severity < fail_on]
    if failures:
        yield _failure(result, failures)
    if notes:
        said = "\n".join(markup(NOTE.filled(message=_told(d))) for d in notes)
        yield f"<system-out>{said}</system-out>"


def _skipped(why: str | Message) -> str:
    return f'<skipped message="{markup(why)}"/>'


def _failure(result: CheckResult, found: list[Diagnosis]) -> str:
    """Return what is wrong, and below it what to do, a line each."""
    worst = max(diagnosis.severity for diagnosis in found).word
    lines = [line for d in found for line in (_told(d), *map(str, cure(d)))]
    return (
        f'<failure type="{worst}" message="{markup(result.title)}">'
        + "\n".join(map(markup, lines))
        + "</failure>"
    )


def _told(diagnosis: Diagnosis) -> str:
    return f"{diagnosis.finding.subject}: {diagnosis.finding.message}"
