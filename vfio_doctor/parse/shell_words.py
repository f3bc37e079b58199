"""A shell script's words with their places: what a command gets for arguments.

Nothing is run. Variables and arrays that the script itself sets are put in; what only
a running shell would know is marked. One pass, whatever the text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

# In a value: a variable's name between two of these.
MARK = "\0"
_GAP = re.compile(r"(?:[ \t\r\f\v]|\\\r?\n)+")
_COMMENT = re.compile(r"#[^\n]*")
_END = re.compile(r"\n|;+|&+|\|+|[<>()]")
_PIECE = re.compile(
    r"[^\s'\"\\;&|<>()$`]+|'[^']*'|\"(?:[^\"\\]|\\.)*\"|\\.|\$\{[^{}]*\}|\$(?:\w+|[@*#?!])"
    r"|\$\([^()]*\)|`[^`]*`|['\"`$\\]",
    re.DOTALL,
)
_VARIABLE = re.compile(
    r"\$\{([^{}]*)\}|\$(\w+|[@*#?!])|\$\([^()]*\)|`[^`]*`|\\(.)", re.DOTALL
)
_LIST = re.compile(r"[A-Za-z_]\w*\+?=\(")
_ASSIGNED = re.compile(r"(?:export\s+|local\s+)?([A-Za-z_]\w*)(\+?)=", re.DOTALL)
# As `ps` shows it: JSON whose quotes no shell has taken away.
_JSON = '{"'
_JSON_END = re.compile(r"\}(?=\s|\Z)|\n|\Z")
_EXPANDED = re.compile(f"{MARK}([^{MARK}]*){MARK}")
# What follows the line is a text, up to a line that is the word behind the sign.
_HERE = re.compile(r"<<(?!<)-?[ \t]*(?:'([^'\n]+)'|\"([^\"\n]+)\"|\\?(\w+))")
# Each that has no end costs a look through the rest.
MOST_HERE = 100
# A script that sets a variable to twice itself, over and over, grows no further; nor
# do commands that put in the same long list again and again.
MOST_WORDS = 2000
MOST_EXPANDED = 100_000
LONGEST = 1 << 14


class Word(NamedTuple):
    """A word and its characters in the text; ``end`` is the one behind it.

    ``ends``: it is no word, but what ends a command. ``opens``: a list's name.
    """

    value: str
    start: int
    end: int
    quoted: bool = False
    ends: bool = False
    opens: bool = False

    @property
    def is_known(self) -> bool:
        """Tell whether nothing in it is left to a running shell."""
        return MARK not in self.value

    @property
    def shown(self) -> str:
        """Return the value, with what is not known as the script has it."""
        return _EXPANDED.sub(_written, self.value)


def _written(found: re.Match[str]) -> str:
    name = found[1]
    if not name:
        return "$(...)"
    return f"${name}" if re.fullmatch(r"\w+|[@*#?!]", name) else f"${{{name}}}"


class _Here:
    """The here-documents that a line has begun, and where the last of them ends."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._waiting: list[str] = []
        self._left = MOST_HERE

    def begins(self, at: int) -> int:
        """Return the character behind the sign of one and its word, 0 if it is none."""
        found = _HERE.match(self._text, at)
        if found is None or self._left <= 0:
            return 0
        self._left -= 1
        self._waiting.append(found[1] or found[2] or found[3])
        return found.end()

    def ends(self, at: int) -> int:
        """Return the character behind the texts that begin here."""
        for word in self._waiting:
            close = re.compile(rf"^\t*{re.escape(word)}\r?$", re.MULTILINE)
            found = close.search(self._text, at)
            # Without an end it is no text, but sums in double parentheses.
            at = found.end() if found else at
        self._waiting.clear()
        return at


def words(text: str) -> Iterator[Word]:
    """Yield words, and what ends a command, as the text has them."""
    at, end, in_list, closes = 0, len(text), False, -1
    here = _Here(text)
    while at < end:
        if found := _GAP.match(text, at) or _COMMENT.match(text, at):
            at = found.end()
            continue
        if text.startswith(_JSON, at):
            if closes < at and (close := _JSON_END.search(text, at)):
                closes = close.start()
            if text.startswith("}", closes):
                yield Word(text[at : closes + 1], at, closes + 1, True)
                at = closes + 1
                continue
        if opened := _LIST.match(text, at):
            yield Word(text[at : opened.end() - 1], at, opened.end(), opens=True)
            at, in_list = opened.end(), True
            continue
        if found := _END.match(text, at):
            if behind := here.begins(at):
                at = behind
                continue
            if not in_list or found[0] == ")":
                in_list = False
                yield Word(found[0], at, found.end(), ends=True)
            at = here.ends(found.end()) if found[0] == "\n" else found.end()
            continue
        word = _word(text, at)
        yield word
        at = word.end


def _word(text: str, at: int) -> Word:
    start, parts = at, []
    while found := _PIECE.match(text, at):
        parts.append(_piece(found[0]))
        at = found.end()
    quoted = text[start] in "'\""
    return Word("".join(parts), start, max(at, start + 1), quoted)


def _piece(piece: str) -> str:
    """Return what a piece of a word stands for."""
    if piece[0] == "'" and len(piece) > 1:
        return piece[1:-1]
    if piece[0] == '"' and len(piece) > 1:
        return _VARIABLE.sub(_in_quotes, piece[1:-1])
    if piece[0] in "$`\\" and len(piece) > 1:
        return _VARIABLE.sub(_outside, piece)
    return piece


def _in_quotes(found: re.Match[str]) -> str:
    if found[3] is not None:
        return "" if found[3] == "\n" else _escaped(found[3])
    return _marked(found)


def _escaped(char: str) -> str:
    """Return what a backslash in double quotes leaves of a character."""
    return char if char in '$`"\\' else f"\\{char}"


def _outside(found: re.Match[str]) -> str:
    return found[3] if found[3] is not None else _marked(found)


def _marked(found: re.Match[str]) -> str:
    return f"{MARK}{found[1] or found[2] or ''}{MARK}"


class Script(NamedTuple):
    """What a script sets, and the commands that it may run, in their order."""

    variables: dict[str, tuple[Word, ...]]
    commands: tuple[tuple[Word, ...], ...]


def read(text: str) -> Script:
    """Return the commands, with the script's own variables put in."""
    variables: dict[str, tuple[Word, ...]] = {}
    commands: list[tuple[Word, ...]] = []
    command: list[Word] = []
    opened, left, assigned = "", MOST_EXPANDED, MOST_EXPANDED
    for word in words(text):
        if word.opens:
            commands += _done(command)
            opened, command = word.value, []
        elif word.ends and opened:
            _assign(variables, opened, tuple(command))
            opened, command = "", []
        elif word.ends:
            commands += _done(command)
            command = []
        elif not opened and not command and _ASSIGNED.match(word.value):
            if not word.quoted:
                assigned -= _set(variables, word, text, assigned < 0)
            else:
                command.append(word)
        elif len(command) < MOST_WORDS:
            found = [word] if word.is_known or left < 0 else _expanded(word, variables)
            left -= 0 if word.is_known else len(found)
            command += found
    return Script(variables, (*commands, *_done(command)))


def _done(command: list[Word]) -> list[tuple[Word, ...]]:
    return [tuple(command)] if command else []


def _set(
    variables: dict[str, tuple[Word, ...]], word: Word, text: str, tired: bool
) -> int:
    """Take an assignment before a command; return how many words were put in.

    ``tired``: variables are not put in any more.
    """
    found = _ASSIGNED.match(word.value)
    assert found is not None
    held: list[Word] = []
    at = word.start
    for part in word.value[len(found[0]) :].split():
        if not Word(part, 0, 0).is_known:
            one = Word(part, word.start, word.end)
            held += [one] if tired else _expanded(one, variables)
            continue
        # Blanks and escapes may stand between; what is written differs seldom.
        place = text.find(part, at, word.end)
        at = place + len(part) if place >= 0 else at
        ends = (place, at) if place >= 0 else (word.start, word.end)
        held.append(Word(part, *ends, True))
    _assign(variables, found[0], tuple(held), text=True)
    return 0 if word.is_known else len(held)


def _assign(
    variables: dict[str, tuple[Word, ...]],
    name: str,
    value: tuple[Word, ...],
    *,
    text: bool = False,
) -> None:
    own = name.rstrip("=").rstrip("+").split()[-1]
    before = variables.get(own, ()) if "+" in name else ()
    if len(before) >= MOST_WORDS:
        return
    if text and sum(len(each.value) for each in value) > LONGEST:
        return
    variables[own] = (*before, *value)[:MOST_WORDS]


def _expanded(word: Word, variables: dict[str, tuple[Word, ...]]) -> list[Word]:
    """Return the words that a word stands for."""
    alone = _EXPANDED.fullmatch(word.value)
    if alone is None:
        return [_put(word, variables)]
    name = alone[1]
    held = variables.get(name.removesuffix("[@]").removesuffix("[*]"))
    if held is None:
        return [word]
    if word.quoted:
        return list(held) if name.endswith("[@]") else [_put(word, variables)]
    return list(held)


def _put(word: Word, variables: dict[str, tuple[Word, ...]]) -> Word:
    """Return a word with the variables inside of it put in."""
    if word.is_known:
        return word

    def put(found: re.Match[str]) -> str:
        held = variables.get(found[1])
        if held is None:
            return found[0]
        return " ".join(each.value for each in held)[:LONGEST]

    return word._replace(value=_EXPANDED.sub(put, word.value)[:LONGEST])
