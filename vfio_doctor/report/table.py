"""Draw a table: the only module that imports tabulate, which is dear to import."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.report.untrusted import clean
from vfio_doctor.report.wrap import columns, pieces, wrap_hard

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence

    from vfio_doctor.model import Message

GAP = 2
NARROWEST_COLUMN = 8
# No text that was made safe holds it.
FILLER = "\0"


def table(
    headers: Sequence[str],
    rows: Iterable[Sequence[str | Message]],
    width: int,
    indent: str = "",
    whole: Container[int] = (),
) -> list[str]:
    """Return the lines of a table at most ``width`` columns wide, cells wrapped.

    Every cell is made safe to print. Words in the columns ``whole`` (from 0) are never
    cut: they are there to be copied.
    """
    import tabulate

    # With wcwidth it counts columns, without it characters: it is to count what
    # `_even` makes equal.
    tabulate.WIDE_CHARS_MODE = False
    held = [[clean(cell) for cell in row] for row in rows]
    # tabulate makes a column two wider than its heading.
    heads = [f"{header.replace(' ', '-')}--" for header in headers]
    widths = _widths([heads, *held], width - len(indent), whole)
    wrapped = [
        [
            _even("\n".join(wrap_hard(cell, w)))
            for cell, w in zip(row, widths, strict=True)
        ]
        for row in held
    ]
    drawn = tabulate.tabulate(
        wrapped,
        [_even(head) for head in headers],
        tablefmt="simple",
        disable_numparse=True,
    )
    shown = drawn.replace(FILLER, "").splitlines()
    return [f"{indent}{line}".rstrip() for line in shown]


def _even(cell: str) -> str:
    """Let a cell have as many characters as it takes columns."""
    if cell.isascii():
        return cell
    return "".join(char + FILLER * (columns(char) - 1) for char in cell)


def _widths(rows: list[list[str]], available: int, whole: Container[int]) -> list[int]:
    """Share the width: whole words first, then whole cells, narrow columns first."""
    columns_of = list(zip(*rows, strict=True))
    wanted = [max(map(columns, cells)) for cells in columns_of]
    words = [max(map(_longest_word, cells)) for cells in columns_of]
    left = available - GAP * (len(wanted) - 1)
    if sum(words) > left:
        words = [
            word if at in whole else min(word, NARROWEST_COLUMN)
            for at, word in enumerate(words)
        ]
    given = list(words)
    left -= sum(given)
    waiting = sorted(range(len(wanted)), key=lambda at: wanted[at] - given[at])
    while waiting and left > 0:
        at = waiting.pop(0)
        more = min(wanted[at] - given[at], left // (len(waiting) + 1))
        given[at] += more
        left -= more
    return given


def _longest_word(cell: str) -> int:
    if cell.isascii():
        return max(map(len, cell.split()), default=0)
    return max((columns(piece) for _, piece in pieces(cell)), default=0)
