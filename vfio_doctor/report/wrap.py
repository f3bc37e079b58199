"""Break prose into lines, and never a command.

Chinese has no blanks: there a line may end between any two signs, but not before
closing punctuation nor behind an opening bracket.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# What begins no line, and what ends none.
CLOSING = frozenset(
    "\u3001\u3002\uff0c\uff1b\uff1a\uff01\uff1f\uff09\u300b\u3009\u3011\u300d\u300f"
    "\u201d\u2019\u2026\u00b7,.;:!?)]}%"
)
OPENING = frozenset("\uff08\u300a\u3008\u3010\u300c\u300e\u201c\u2018([{")


def wrap(text: str, width: int, first: str = "", rest: str = "") -> list[str]:
    """Return lines of at most ``width`` columns, indented by ``first`` and ``rest``.

    A word that is too long, and a command in backticks, stay whole on a line of
    their own, so that they can be copied.
    """
    lines: list[str] = []
    line = first
    empty = True
    for gap, word in pieces(text):
        if not empty and columns(line) + len(gap) + columns(word) > width:
            lines.append(line)
            line, empty = rest, True
        line = f"{line}{word}" if empty else f"{line}{gap}{word}"
        empty = False
    return [*lines, line.rstrip()]


def columns(text: str) -> int:
    """Return how many terminal columns the text takes."""
    if text.isascii():
        return len(text)
    from unicodedata import combining

    return sum(0 if combining(char) else 2 if _is_wide(char) else 1 for char in text)


def _is_wide(char: str) -> bool:
    from unicodedata import east_asian_width

    return east_asian_width(char) in "WF"


def pieces(text: str) -> Iterator[tuple[str, str]]:
    """Yield what may begin a line, each with the blank, or nothing, before it."""
    for word in _words(text):
        gap = " "
        for piece in (word,) if word.isascii() else _signs(word):
            yield gap, piece
            gap = ""


def _signs(word: str) -> Iterator[str]:
    """Take a word apart where a line may end; what backticks hold stays whole."""
    held = ""
    inside = False
    for char in word:
        if held and not inside and _may_end(held[-1], char):
            yield held
            held = ""
        held += char
        inside ^= char == "`"
    yield held


def _may_end(before: str, after: str) -> bool:
    """Tell whether a line may end between two signs."""
    if before in OPENING or after in CLOSING:
        return False
    return _is_wide(before) or _is_wide(after)


def joined(lines: list[str]) -> str:
    """Return the lines as one: a line end between Chinese signs is no blank."""
    text = ""
    for line in lines:
        close = text and line and _is_wide(text[-1]) and _is_wide(line[0])
        text += line if close or not text else f" {line}"
    return text


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
