"""Diagnose a host and print the report: what ``vfio-doctor`` alone does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.app.diagnosis import diagnosed, with_waiting
from vfio_doctor.app.journal_notes import tell
from vfio_doctor.app.output import emit, opened
from vfio_doctor.diagnosis.report import exit_status
from vfio_doctor.model import Severity

if TYPE_CHECKING:
    from vfio_doctor.app.chosen import Chosen
    from vfio_doctor.app.diagnosis import Diagnosed
    from vfio_doctor.app.web_page import Repair
    from vfio_doctor.model import CheckResult, Report

# The formats that tell the person what to do next, and how much a repair mends.
WITH_STEPS = ("text", "markdown", "html")


def run(chosen: Chosen) -> int:
    """Diagnose, print the report where it was asked for, return the exit status."""
    with opened(chosen.output) as output:
        done = diagnosed(chosen)
        if chosen.capture is None:
            tell()
        if chosen.debug:
            _show_traces(done.report.checks)
        emit(rendered(done, chosen), output)
        return status_of(done.report, chosen)


def status_of(report: Report, chosen: Chosen) -> int:
    """Return the exit status; 3 where all that is wrong was not selected."""
    status = exit_status(report, Severity[chosen.fail_on.upper()])
    if status:
        return status
    reported = {result.id for result in report.checks}
    unseen = any(not reported.issuperset(r.blocked_by) for r in report.checks)
    return 3 if unseen else 0


def rendered(done: Diagnosed, chosen: Chosen, repair: Repair | None = None) -> str:
    """Return the report in the chosen format, with the repair if there was one."""
    if chosen.format in WITH_STEPS:
        done = done._replace(report=with_waiting(*done))
    report = done.report
    if chosen.format == "html":
        from vfio_doctor.app.web_page import web_page

        return web_page(done, chosen, repair)
    if chosen.format == "json":
        from vfio_doctor.report import json

        return json.render(report)
    if chosen.format == "markdown":
        from vfio_doctor.report import markdown

        return markdown.render(report)
    if chosen.format == "junit":
        from vfio_doctor.report import junit

        return junit.render(report, Severity[chosen.fail_on.upper()])
    if chosen.format == "prometheus":
        from vfio_doctor.report import prometheus

        return prometheus.render(report)
    from vfio_doctor.app.output import look

    seen = look(chosen.color, chosen.verbosity, chosen.output, chosen)
    if chosen.format == "lines":
        from vfio_doctor.report import lines

        return lines.render(report, seen)
    from vfio_doctor.report import text

    return text.render(report, seen)


def _show_traces(results: tuple[CheckResult, ...]) -> None:
    for result in results:
        if result.trace:
            import click

            click.echo(f"{result.id}:\n{result.trace}", err=True)
