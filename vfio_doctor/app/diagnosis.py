"""Diagnose a host and print the report: what ``vfio-doctor`` alone does."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from vfio_doctor.app.clock import utc
from vfio_doctor.app.journal_notes import tell
from vfio_doctor.app.open_host import open_host
from vfio_doctor.app.output import emit, opened
from vfio_doctor.diagnosis.judge import ahead, diagnose
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.diagnosis.report import assemble, exit_status
from vfio_doctor.facts.base import Facts, MissingFact, Options
from vfio_doctor.messages import say
from vfio_doctor.model import RunInfo, Severity
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.app.chosen import Chosen
    from vfio_doctor.app.web_page import Repair
    from vfio_doctor.diagnosis.registry import Registry
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.model import CheckResult, Report


LOOKING = say("progress-looking", "Looking at the host ...")
NONE_OF_SELECTED = say(
    "usage-none-of-selected",
    "Nothing is left to judge: --skip leaves out all of --select.",
)
NONE_LEFT = say(
    "usage-none-left", "Nothing is left to judge: --skip leaves out every check."
)
NO_SUCH_NAME = say(
    "usage-no-such-name", "{word}: no check and no area has this name. {more}"
)


class Diagnosed(NamedTuple):
    """All that a repair needs after the diagnosis, and the report."""

    host: Reader
    facts: Facts
    registry: Registry
    report: Report


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


def diagnosed(chosen: Chosen) -> Diagnosed:
    """Judge the chosen host; raises UsageError for unknown ids and bad captures."""
    started = time.time()
    host = open_host(chosen.capture)
    options = options_of(chosen)
    refuse_unknown_user(Facts(host, options))
    with Progress(str(LOOKING)):
        if redacts(chosen):
            from vfio_doctor.app.sharing import shared

            host, options = shared(host, options, lambda h, f: _look(h, f, chosen, 0))
        facts = Facts(host, options)
        registry, report = _look(host, facts, chosen, started)
    return Diagnosed(host, facts, registry, report)


def _look(
    host: Reader, facts: Facts, chosen: Chosen, started: float
) -> tuple[Registry, Report]:
    registry, results = judged(facts, chosen)
    results = kept_promises(host, facts, results)
    info = RunInfo(_utc(started), _since(started), host.name, _is_redacted(host))
    problems, plugins = registry.problems, registry.plugins
    if info.redacted:
        from vfio_doctor.app.sharing import unnamed

        problems, plugins = unnamed(registry)
    return registry, assemble(host, facts, results, info, problems, plugins)


def kept_promises(
    host: Reader, facts: Facts, results: tuple[CheckResult, ...]
) -> tuple[CheckResult, ...]:
    """Return the results; a repair that no plan can be made for is not promised."""
    if not any(d.fix for result in results for d in result.diagnoses):
        return results
    from vfio_doctor.repair.promise import kept

    return kept(host, facts, results)


def judged(facts: Facts, chosen: Chosen) -> tuple[Registry, tuple[CheckResult, ...]]:
    """Return how the chosen checks end; raises UsageError for unknown ids."""
    registry = load(facts, chosen.select, chosen.plugins)
    try:
        results = diagnose(facts, registry, chosen.select, chosen.skip)
    except ValueError as error:
        import click

        raise click.UsageError(_with_suggestion(str(error), registry)) from error
    if chosen.ahead:
        results = ahead(facts, registry, results)
    if not results and (chosen.select or chosen.skip):
        import click

        raise click.UsageError(str(NONE_OF_SELECTED if chosen.select else NONE_LEFT))
    return registry, results


def redacts(chosen: Chosen) -> bool:
    """Tell whether the report is for others; a plan needs the real names."""
    if chosen.redact is not None:
        return chosen.redact
    return chosen.format == "markdown" and not chosen.fix


def _is_redacted(host: Reader) -> bool:
    # A live host costs no import here.
    manifest = getattr(getattr(host, "capture", None), "manifest", {})
    return manifest.get("redacted") is True


def refuse_unknown_user(facts: Facts) -> None:
    """Raise Failure where ``--user`` names root or nobody (DESIGN section 5).

    A host that hides its accounts proves nothing: its checks say so themselves.
    """
    from vfio_doctor.facts.accounts import Accounts, HumanUser

    asked = facts.options.user
    if not asked:
        return
    try:
        facts[Accounts]
    except MissingFact:
        return
    try:
        facts[HumanUser]
    except MissingFact as reason:
        from vfio_doctor.app.options import Failure

        raise Failure(str(reason), 2) from reason


def options_of(chosen: Chosen) -> Options:
    """Return what facts and fixes need to know of the command line."""
    return Options(
        chosen.user,
        chosen.areas,
        chosen.size_mib,
        chosen.access,
        chosen.passthrough_mode,
        chosen.ignore_msrs,
        chosen.devices,
        chosen.bind,
        chosen.ahead,
        chosen.headless,
    )


def rendered(done: Diagnosed, chosen: Chosen, repair: Repair | None = None) -> str:
    """Return the report in the chosen format, with the repair if there was one."""
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


class Progress:
    """A line on stderr while something runs: only on a terminal, gone afterwards."""

    def __init__(self, text: str) -> None:
        """Take the line to show."""
        self._text = text if sys.stderr and sys.stderr.isatty() else ""

    def __enter__(self) -> None:
        """Show the line."""
        if self._text:
            sys.stderr.write(self._text)
            sys.stderr.flush()

    def __exit__(self, *_: object) -> None:
        """Wipe it, with spaces: a dumb terminal knows no escape sequence."""
        if self._text:
            sys.stderr.write("\r" + " " * len(self._text) + "\r")
            sys.stderr.flush()


def _with_suggestion(message: str, registry: Registry) -> str:
    from difflib import get_close_matches

    word = message.rpartition(":")[0]
    near = get_close_matches(word, [check.id for check in registry.checks], 1)
    from vfio_doctor.app.options import MEANT, SEE_CHECKS

    more = MEANT.filled(names=repr(near[0])) if near else SEE_CHECKS
    return str(NO_SUCH_NAME.filled(word=word, more=more))


def _show_traces(results: tuple[CheckResult, ...]) -> None:
    for result in results:
        if result.trace:
            import click

            click.echo(f"{result.id}:\n{result.trace}", err=True)


def _utc(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", utc(moment))


def _since(started: float) -> int:
    return max(0, round((time.time() - started) * 1000))
