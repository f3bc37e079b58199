"""One row for each of many captures, and root causes by frequency."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.report import assemble
from vfio_doctor.facts.base import Facts, Options
from vfio_doctor.host.archive import CaptureError
from vfio_doctor.host.capture_io import load
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.model import Actor, RunInfo
from vfio_doctor.report.steps import next_steps
from vfio_doctor.report.untrusted import clean
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vfio_doctor.diagnosis.registry import Registry
    from vfio_doctor.model import Report


ACTORS = {
    Actor.TOOL: "by hand",
    Actor.USER: "by hand",
    Actor.FIRMWARE: "firmware setup",
    Actor.VENDOR: "ask the maker",
}


class Row(NamedTuple):
    """One capture: what host, what is wrong there, what to do first.

    ``who`` is the next step in a word or two. Where ``error`` says why the capture
    could not be judged, all else is "".
    """

    file: str
    error: str = ""
    host: str = ""
    kernel: str = ""
    root_causes: tuple[str, ...] = ()
    next_step: str = ""
    who: str = ""
    undecided: int = 0


def row(path: str, registry: Registry, options: Options) -> Row:
    """Judge the capture at ``path``, whatever is in it."""
    try:
        host = CapturedHost(load(path))
        facts = Facts(host, options)
        results = diagnose(facts, registry)
        report = assemble(host, facts, results, RunInfo("", 0, path))
    except (CaptureError, OSError) as error:
        return Row(path, str(error).removeprefix(f"{path}: "))
    except Exception as error:
        return Row(path, f"internal error: {type(error).__name__}: {error}")
    return _row(path, report)


def _row(path: str, report: Report) -> Row:
    counts = dict(report.summary.statuses)
    return Row(
        path,
        "",
        report.host.image or report.host.os,
        report.host.kernel,
        report.summary.root_causes,
        next(iter(next_steps(report)), ""),
        _who(report),
        counts["unknown"] + counts["error"],
    )


def _who(report: Report) -> str:
    """Return who acts on the first root cause, and with what."""
    if not report.summary.root_causes:
        return ""
    first = report.summary.root_causes[0]
    held = next(d for r in report.checks if r.id == first for d in r.diagnoses)
    if held.fix is None or held.fix.cannot:
        return ACTORS[held.finding.who_acts]
    return "--fix --risky" if held.fix.applicability.value == "risky" else "--fix"


def line(one: Row) -> str:
    """Return a row as one line of JSON (JSON lines), in printable ASCII."""
    from vfio_doctor.report import json

    return " ".join(part.strip() for part in json.text(json.plain(one)).splitlines())


def frequency(rows: Iterable[Row]) -> list[tuple[str, int]]:
    """Return how many captures each root cause is in, the commonest first."""
    counts = Counter(cause for one in rows for cause in one.root_causes)
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))


def render(rows: list[Row], width: int) -> str:
    """Return the tables: a row each, then root causes by frequency."""
    from vfio_doctor.report.table import table

    shown = [(_short(r.file), r.host, r.kernel, _causes(r), r.who) for r in rows]
    heads = ("Capture", "Host", "Kernel", "Root cause", "Next step")
    lines = table(heads, shown, width)
    counted = [(cause, str(number)) for cause, number in frequency(rows)]
    healthy = sum(not (r.root_causes or r.error) for r in rows)
    broken = sum(bool(r.error) for r in rows)
    counted += [("(no root cause)", str(healthy))] if healthy else []
    counted += [("(could not be read)", str(broken))] if broken else []
    lines += ["", *table(("Root cause", "Captures"), counted, width)]
    return "\n".join(lines) + "\n"


def _short(path: str) -> str:
    return clean(path).rstrip("/").rpartition("/")[2]


def _causes(one: Row) -> str:
    if one.error:
        return f"cannot be read: {one.error}"
    none = "none" if not one.undecided else f"none, {one.undecided} undecided"
    more = len(one.root_causes) - 1
    return f"{one.root_causes[0]}{f' +{more}' if more else ''}" if more >= 0 else none
