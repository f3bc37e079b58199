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


def wrap_hard(text: str, width: int) -> list[str]:
    """Return lines of at most ``width`` columns; too long words are cut."""
    lines: list[str] = []
    for line in wrap(text, width):
        while columns(line) > width:
            cut = _fitting(line, width)
            lines.append(line[:cut])
            line = line[cut:]
        lines.append(line)
    return lines


def _fitting(text: str, width: int) -> int:
    """Return how many characters fit, at least one."""
    taken = 0
    for at, char in enumerate(text):
        taken += columns(char)
        if taken > width:
            return max(at, 1)
    return len(text)
