"""Draw a table: the only module that imports tabulate, which is dear to import."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.report.untrusted import clean
from vfio_doctor.report.wrap import columns, wrap_hard

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

GAP = 2
NARROWEST_COLUMN = 8


def table(
    headers: Sequence[str], rows: Iterable[Sequence[str]], width: int, indent: str = ""
) -> list[str]:
    """Return the lines of a table at most ``width`` columns wide, cells wrapped.

    Every cell is made safe to print.
    """
    from tabulate import tabulate

    held = [[clean(cell) for cell in row] for row in rows]
    widths = _widths([list(headers), *held], width - len(indent))
    wrapped = [
        ["\n".join(wrap_hard(cell, w)) for cell, w in zip(row, widths, strict=True)]
        for row in held
    ]
    drawn = tabulate(wrapped, list(headers), tablefmt="simple", disable_numparse=True)
    return [f"{indent}{line}".rstrip() for line in drawn.splitlines()]


def _widths(rows: list[list[str]], available: int) -> list[int]:
    """Give narrow columns what they need and share the rest among the wide ones."""
    wanted = [max(map(columns, column)) for column in zip(*rows, strict=True)]
    left = available - GAP * (len(wanted) - 1)
    given = [0] * len(wanted)
    waiting = sorted(range(len(wanted)), key=lambda at: wanted[at])
    while waiting:
        at = waiting.pop(0)
        share = max(NARROWEST_COLUMN, left // (len(waiting) + 1))
        given[at] = min(wanted[at], share)
        left -= given[at]
    return given
