"""Break prose into lines, and never a command."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def wrap(text: str, width: int, first: str = "", rest: str = "") -> list[str]:
    """Return lines of at most ``width`` columns, indented by ``first`` and ``rest``.

    A word that is too long, and a command in backticks, stay whole on a line of
    their own, so that they can be copied.
    """
    lines: list[str] = []
    line = first
    empty = True
    for word in _words(text):
        if not empty and columns(line) + 1 + columns(word) > width:
            lines.append(line)
            line, empty = rest, True
        line = f"{line}{word}" if empty else f"{line} {word}"
        empty = False
    return [*lines, line.rstrip()]


def columns(text: str) -> int:
    """Return how many terminal columns the text takes."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(
        0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1
        for char in text
    )


def _words(text: str) -> Iterator[str]:
    """Split at spaces, but not between backticks that belong together."""
    word = ""
    for part in text.split():
        word = f"{word} {part}" if word else part
        if word.count("`") % 2 == 0:
            yield word
            word = ""
    yield from word.split()
