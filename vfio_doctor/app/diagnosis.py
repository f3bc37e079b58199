"""Diagnose a host: all that a report, or a repair, starts from."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from vfio_doctor.app.clock import utc
from vfio_doctor.app.open_host import open_host
from vfio_doctor.diagnosis.judge import ahead, diagnose
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.diagnosis.report import assemble
from vfio_doctor.facts.base import Facts, MissingFact, Options
from vfio_doctor.messages import say
from vfio_doctor.model import RunInfo
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.app.chosen import Chosen
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


def diagnosed(chosen: Chosen) -> Diagnosed:
    """Judge the chosen host; raises UsageError for unknown ids and bad captures."""
    started = time.time()
    host = open_host(chosen.capture)
    options = options_of(chosen)
    refuse_unknown_user(Facts(host, options))
    with Progress(str(LOOKING)):
        if redacts(chosen):
            from vfio_doctor.app.sharing import shared

            host, options = shared(host, options, lambda h, f: _all(h, f, chosen))
        facts = Facts(host, options)
        registry, report = _look(host, facts, chosen, started)
    return Diagnosed(host, facts, registry, report)


def _all(host: Reader, facts: Facts, chosen: Chosen) -> None:
    """Read all that any report of the host may ask for."""
    with_waiting(host, facts, *_look(host, facts, chosen, 0))


def _look(
    host: Reader, facts: Facts, chosen: Chosen, started: float
) -> tuple[Registry, Report]:
    registry, results = judged(facts, chosen)
    results = kept_promises(host, facts, results)
    info = RunInfo(_utc(started), _since(started), host.name, _is_redacted(host))
    problems, plugins = registry.problems, registry.plugins
    if info.redacted:
        from vfio_doctor.app.sharing import told_of

        problems, plugins = told_of(registry, hide=True)
    report = assemble(host, facts, results, info, problems, plugins)
    return registry, report


def with_waiting(
    host: Reader, facts: Facts, registry: Registry, report: Report
) -> Report:
    """Return the report, with how much a repair mends besides what was found.

    That costs two plans: only what names the next steps asks for it.
    """
    if not any(d.fix for result in report.checks for d in result.diagnoses):
        return report
    from vfio_doctor.repair.ahead import waiting

    return report._replace(waiting=waiting(host, facts, registry, report.checks))


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
        from vfio_doctor.app.failure import Failure

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


def _utc(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", utc(moment))


def _since(started: float) -> int:
    return max(0, round((time.time() - started) * 1000))
