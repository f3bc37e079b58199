"""Judge one capture of many: one row, whatever is in the file."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

from vfio_doctor.app.diagnosis import kept_promises, with_waiting
from vfio_doctor.app.sharing import shared, told_of
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.report import assemble
from vfio_doctor.facts.base import Facts
from vfio_doctor.host.capture_io import load
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.members import CaptureError
from vfio_doctor.messages import say
from vfio_doctor.model import Actor, Applicability, RunInfo
from vfio_doctor.report.steps import next_steps
from vfio_doctor.report.triage import Row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.diagnosis.registry import Registry
    from vfio_doctor.facts.base import Options
    from vfio_doctor.model import Report

BY_HAND = say("triage-by-hand", "by hand")
# A hundred times what the largest honest host takes.
SECONDS = 20.0
ACTORS = {
    Actor.TOOL: BY_HAND,
    Actor.USER: BY_HAND,
    Actor.FIRMWARE: say("triage-firmware", "firmware setup"),
    Actor.VENDOR: say("triage-vendor", "ask the maker"),
}


TOO_LONG = say("triage-too-long", "not judged within {seconds} s of computing")
OUR_FAULT = say("triage-our-fault", "internal error: {kind}: {why}")
HIDDEN_WHY = say(
    "triage-hidden-why",
    "run without --redact to see why: the reason may name something private",
)


class _TooLong(BaseException):
    """A capture takes too long; no ``except Exception`` hides it."""


@contextmanager
def _limited() -> Iterator[None]:
    """Raise `_TooLong` after `SECONDS` of this process's own time."""

    def stop(*_: object) -> None:
        raise _TooLong

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def row(
    path: str,
    registry: Registry,
    options: Options,
    whole: bool = False,
    hide: bool = False,
) -> Row:
    """Judge the capture at ``path``, whatever is in it.

    The ``whole`` report is in the row as a part of a page, if that is asked for;
    ``hide`` what is private in it.
    """
    made = _judged(path, registry, options, whole, hide)
    return made._replace(error=str(HIDDEN_WHY)) if hide and made.error else made


def _judged(
    path: str, registry: Registry, options: Options, whole: bool, hide: bool
) -> Row:
    try:
        with _limited():
            host = CapturedHost(load(path))
            if hide:
                host, options = shared(host, options, lambda _host, _facts: None)
            report = _report(host, Facts(host, options), registry, hide)
            page = _page(report) if whole else ""
    except _TooLong:
        return Row(path, str(TOO_LONG.filled(seconds=f"{SECONDS:g}")))
    except (CaptureError, OSError) as error:
        return Row(path, _without(path, str(error)))
    except Exception as error:
        said = OUR_FAULT.filled(kind=type(error).__name__, why=str(error))
        return Row(path, str(said))
    return _row(path, report)._replace(page=page)


def _report(host: CapturedHost, facts: Facts, registry: Registry, hide: bool) -> Report:
    """Return the report of a capture; ``hide`` the names of plug-ins."""
    results = kept_promises(host, facts, diagnose(facts, registry))
    told = told_of(registry, hide)
    hidden = host.capture.manifest.get("redacted") is True
    made = assemble(host, facts, results, RunInfo("", 0, host.name, hidden), *told)
    return with_waiting(host, facts, registry, made)


def _without(path: str, text: str) -> str:
    """Return a refusal without the name of the file, which the row has already."""
    return text.removeprefix(path).lstrip(":\uff1a ")


def _page(report: Report) -> str:
    from vfio_doctor.report.pasted import CANONICAL
    from vfio_doctor.report.web.findings import body

    return "\n".join(body(report, CANONICAL, 4))


def _row(path: str, report: Report) -> Row:
    counts = dict(report.summary.statuses)
    return Row(
        path,
        "",
        str(report.host.image or report.host.os),
        str(report.host.kernel),
        report.summary.root_causes,
        str(next(iter(next_steps(report)), "")),
        _who(report),
        counts["unknown"] + counts["error"],
        report.tool.plugins,
        redacted=report.run.redacted,
    )


def _who(report: Report) -> str:
    """Return who acts on the first root cause, and with what."""
    if not report.summary.root_causes:
        return ""
    first = report.summary.root_causes[0]
    held = next(d for r in report.checks if r.id == first for d in r.diagnoses)
    if held.fix is None or held.fix.cannot:
        return str(ACTORS[held.finding.who_acts])
    return "--fix --risky" if held.fix.applicability is Applicability.RISKY else "--fix"
