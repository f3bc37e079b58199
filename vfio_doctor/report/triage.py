"""One row for each of many captures, and root causes by frequency."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from vfio_doctor.messages import say, verbatim
from vfio_doctor.report.untrusted import clean
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vfio_doctor.model import Message, Told

ROOT_CAUSE = say("triage-cause", "Root cause")
HEADS = (
    say("triage-capture", "Capture"),
    say("triage-host", "Host"),
    say("triage-kernel", "Kernel"),
    ROOT_CAUSE,
    say("triage-next", "Next step"),
)
# An id is there to be copied.
CAUSE_AT = HEADS.index(ROOT_CAUSE)
PLUGINS = say("triage-plugins", "Rules of plug-ins took part: {plugins}.")
CAUSE_HEADS = (ROOT_CAUSE, say("triage-captures", "Captures"))


COMPLETE = say(
    "triage-complete",
    "Note: names and addresses of these machines are not hidden here. Before you show "
    "this to others, add --redact.",
)


class Row(NamedTuple):
    """One capture: what host, what is wrong there, what to do first.

    ``who`` is the next step in a word or two, ``plugins`` gave rules, ``page`` is the
    whole report for a browser; ``redacted`` says that nothing private is in it. If
    ``error`` says why the capture could not be judged, all else is "".
    """

    file: str
    error: str = ""
    host: str = ""
    kernel: str = ""
    root_causes: tuple[str, ...] = ()
    next_step: str = ""
    who: str = ""
    undecided: int = 0
    plugins: tuple[str, ...] = ()
    page: str = ""
    redacted: bool = False


def line(one: Row) -> str:
    """Return a row as one line of JSON (JSON lines), in printable ASCII."""
    from vfio_doctor.report import json

    held = {name: json.plain(value) for name, value in one._asdict().items()}
    # A page is for people.
    del held["page"]
    return " ".join(part.strip() for part in json.text(held).splitlines())


def frequency(rows: Iterable[Row]) -> list[tuple[str, int]]:
    """Return how many captures each root cause is in, the commonest first."""
    counts = Counter(cause for one in rows for cause in one.root_causes)
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))


def counted_causes(rows: list[Row]) -> list[tuple[str, int]]:
    """Return root causes by frequency, then how many have none or were not read."""
    healthy = sum(not (r.root_causes or r.error) for r in rows)
    broken = sum(bool(r.error) for r in rows)
    none = str(say("triage-no-cause", "(no root cause)"))
    unread = str(say("triage-unread", "(could not be read)"))
    ends = [(none, healthy), (unread, broken)]
    return [*frequency(rows), *((name, count) for name, count in ends if count)]


def render(
    rows: list[Row],
    width: int,
    plugins: tuple[str, ...] = (),
    problems: tuple[Told, ...] = (),
) -> str:
    """Return the tables: a row each, then root causes by frequency.

    ``plugins`` gave rules, ``problems`` are of those that did not.
    """
    from vfio_doctor.report.table import table

    named = names(r.file for r in rows)
    shown = [(named[r.file], r.host, r.kernel, causes(r), r.who) for r in rows]
    lines = table(tuple(map(str, HEADS)), shown, width, whole=(CAUSE_AT,))
    counted = [(cause, str(number)) for cause, number in counted_causes(rows)]
    lines += ["", *table(tuple(map(str, CAUSE_HEADS)), counted, width)]
    if plugins:
        lines += ["", str(PLUGINS.filled(plugins=tuple(map(clean, plugins))))]
    lines += [clean(str(problem)) for problem in problems]
    lines += ["", str(COMPLETE)] if is_complete(rows) else []
    return "\n".join(lines) + "\n"


def is_complete(rows: Iterable[Row]) -> bool:
    """Tell whether something private of one of the hosts may stand in its row."""
    return not all(one.redacted or one.error for one in rows)


def names(paths: Iterable[str]) -> dict[str, str]:
    """Return what each path is shown as: its last part, all of it if that repeats."""
    short = {path: _short(path) for path in paths}
    counts = Counter(short.values())
    return {p: clean(p) if counts[s] > 1 else s for p, s in short.items()}


def _short(path: str) -> str:
    return clean(path).rstrip("/").rpartition("/")[2]


def causes(one: Row) -> str | Message:
    """Return the first root cause and how many more, or why there is none."""
    if one.error:
        why = verbatim(one.error)
        return say("triage-error", "cannot be read: {why}", why=why)
    if one.root_causes:
        more = len(one.root_causes) - 1
        return f"{one.root_causes[0]}{f' +{more}' if more else ''}"
    if not one.undecided:
        return say("triage-none", "none")
    return say("triage-undecided", "none, {count} undecided", count=one.undecided)
