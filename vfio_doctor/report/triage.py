"""One row for each of many captures, and root causes by frequency."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from vfio_doctor.report.untrusted import clean
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable


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
