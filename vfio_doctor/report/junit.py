"""The report as JUnit XML, for build servers: a test case for each check."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.messages import say
from vfio_doctor.model import Severity, Status
from vfio_doctor.report.rows import WAITS
from vfio_doctor.report.text import cure
from vfio_doctor.report.untrusted import markup
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.model import CheckResult, Diagnosis, Message, Report

NOTE = say("junit-note", "note: {message}")


class Case(NamedTuple):
    """A check as a test case: what it failed, what it notes, why it did not judge."""

    result: CheckResult
    failures: tuple[Diagnosis, ...]
    notes: tuple[Diagnosis, ...]
    skipped: str | Message

    @property
    def broke(self) -> bool:
        """Whether the check itself has a fault."""
        return self.result.status is Status.ERROR


def render(report: Report, fail_on: Severity) -> str:
    """Return the report; what is less severe than ``fail_on`` fails no test case."""
    cases = [_case(result, fail_on) for result in report.checks]
    numbers = (
        f'tests="{len(cases)}" failures="{sum(bool(c.failures) for c in cases)}"'
        f' errors="{sum(c.broke for c in cases)}"'
        f' skipped="{sum(bool(c.skipped) for c in cases)}"'
    )
    suite = (
        f'<testsuite name="{report.tool.name}" {numbers}'
        f' timestamp="{markup(report.run.started.rstrip("Z"))}"'
        f' time="{report.run.duration_ms / 1000:.3f}"'
        f' hostname="{markup(report.run.source)}">'
    )
    head = '<?xml version="1.0" encoding="UTF-8"?>'
    lines = [head, f"<testsuites {numbers}>", suite]
    lines += [line for case in cases for line in _lines(case)]
    return "\n".join([*lines, "</testsuite>", "</testsuites>", ""])


def _case(result: CheckResult, fail_on: Severity) -> Case:
    failures = tuple(d for d in result.diagnoses if d.severity >= fail_on)
    notes = tuple(d for d in result.diagnoses if d.severity < fail_on)
    return Case(result, failures, notes, _why_skipped(result))


def _why_skipped(result: CheckResult) -> str | Message:
    if result.status is Status.BLOCKED:
        return WAITS.filled(checks=", ".join(result.blocked_by))
    if result.status in (Status.FAIL, Status.PASS, Status.ERROR):
        return ""
    return f"{result.status.value}: {result.reason or ''}"


def _lines(case: Case) -> Iterator[str]:
    result = case.result
    area = result.id.partition("-")[0]
    yield (
        f'<testcase classname="vfio-doctor.{area}" name="{markup(result.id)}" time="0">'
    )
    if case.broke:
        yield f'<error message="{markup(result.reason or "")}"/>'
    if case.skipped:
        yield f'<skipped message="{markup(case.skipped)}"/>'
    if case.failures:
        yield _failure(result, case.failures)
    if case.notes:
        said = "\n".join(markup(NOTE.filled(message=_told(d))) for d in case.notes)
        yield f"<system-out>{said}</system-out>"
    yield "</testcase>"


def _failure(result: CheckResult, found: tuple[Diagnosis, ...]) -> str:
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
