"""What a shell sees wrong in a file of assignments that it is to read."""

from __future__ import annotations

import re
from enum import Enum

from vfio_doctor.value import NamedTuple

# Longer commands stand in no such file; each costs no more to look at than this.
NEAR = 512
# Kernel arguments on a continued line look like assignments, but not in capitals.
# Compiled when they are used (re keeps them): few hosts have such a file.
NEXT = r"(?m)^[ \t]*(?:export[ \t]+)?[A-Z][A-Z0-9_]*\+?="
ASSIGNED = r"[ \t]*(?:export[ \t]+)?([A-Za-z_]\w*)(\+?)="

# Variables that hold kernel arguments; those of a shell are in capitals.
ARGUMENTS = "GRUB_CMDLINE_"
SPACED = r"[ \t]*(?:export[ \t]+)?([A-Za-z_]\w*)[ \t]+\+?="


class ShellFaultKind(Enum):
    """Why a file does not set what it seems to set."""

    OPEN_QUOTE = "open-quote"
    COMMAND = "command"
    ARGUMENT = "argument"
    PLUS = "plus"
    BLANK = "blank"
    LINE_END = "line-end"


class ShellFault(NamedTuple):
    """One fault: its line, the variable, and the word that is taken for a command."""

    line: int
    kind: ShellFaultKind
    key: str = ""
    word: str = ""


def shell_faults(text: str, knows_plus: bool) -> tuple[ShellFault, ...]:
    """Return the faults of a file; ``knows_plus`` tells whether the shell has ``+=``.

    Never raises. Lines that assign nothing are not looked at. Line ends of Windows
    are one fault, however many lines have them.
    """
    found: list[ShellFault] = []
    unix = True
    at, number = 0, 1
    while at < len(text):
        line_end = _line_end(text, at)
        match = re.compile(ASSIGNED).match(text, at, line_end)
        end = line_end
        if match:
            stop, closed = _value_end(text, match.end())
            if not closed:
                return (*found, ShellFault(number, ShellFaultKind.OPEN_QUOTE, match[1]))
            end = _line_end(text, stop)
            if match[2] and not knows_plus:
                found.append(ShellFault(number, ShellFaultKind.PLUS, match[1]))
            else:
                found += _behind(text[stop:end], number, match[1])
        elif spaced := re.compile(SPACED).match(text, at, line_end):
            found.append(ShellFault(number, ShellFaultKind.BLANK, spaced[1]))
        if unix and _ends_as_in_windows(text[at:end]):
            found.append(ShellFault(number, ShellFaultKind.LINE_END))
            unix = False
        number += text.count("\n", at, end + 1)
        at = end + 1
    return tuple(found)


def _ends_as_in_windows(line: str) -> bool:
    """Tell whether a carriage return becomes part of a value, or of a command."""
    return line.endswith("\r") and not line.lstrip().startswith("#")


def _behind(rest: str, number: int, key: str) -> list[ShellFault]:
    """Return what is wrong behind a value: a command, or an argument without quotes.

    An argument with a value is an assignment of its own, which nobody reads.
    """
    stray, at = "", 0
    # By places: cutting off what is read would copy the rest at every word.
    while blanks := re.compile(r"[ \t]+").match(rest, at):
        at = blanks.end()
        word = re.compile(r"\s*(\S*)").match(rest, at)[1]  # type: ignore[index]
        if word[:1] in ("#", ";", "&", "|", "\\", ""):
            break
        match = re.compile(ASSIGNED).match(rest, at)
        if not match:
            return [ShellFault(number, ShellFaultKind.COMMAND, key, word)]
        if key.startswith(ARGUMENTS) and not match[1].isupper():
            stray = stray or word
        at, closed = _value_end(rest, match.end())
        if not closed:
            break
    return [ShellFault(number, ShellFaultKind.ARGUMENT, key, stray)] if stray else []


def _value_end(text: str, at: int) -> tuple[int, bool]:
    """Return where a value ends, and whether its quotes are closed.

    A quote that runs on into a line with an assignment was not closed: nobody
    means that, and where the file ends in order another quote is missing, too.
    """
    while at < len(text) and text[at] not in " \t\n;#&|":
        char = text[at]
        if char == "\\":
            at += 2
        elif char in "\"'":
            close = _closing(text, at + 1, char)
            if close < 0 or re.compile(NEXT).search(text[at:close].partition("\n")[2]):
                return at, False
            at = close + 1
        else:
            at = _substituted(text, at)
    return min(at, len(text)), True


def _substituted(text: str, at: int) -> int:
    """Return what follows a command or variable that is put in, or one character.

    Blanks inside one end no value: ``GRUB_DISTRIBUTOR=`lsb_release -i -s` `` is what
    Debian ships. One that is not closed is left to the shell.
    """
    for opening, closing in (("`", "`"), ("$(", ")"), ("${", "}")):
        if text.startswith(opening, at):
            close = _closed(text, at + len(opening), opening[-1], closing)
            return close + 1 if close >= 0 else at + 1
    return at + 1


def _closed(text: str, at: int, opening: str, closing: str) -> int:
    """Return where this substitution is closed on its line, -1 if nowhere near."""
    depth, end = 1, min(_line_end(text, at), at + NEAR)
    while at < end:
        char = text[at]
        if char == closing:
            depth -= 1
            if not depth:
                return at
        elif char == opening:
            depth += 1
        at += 2 if char == "\\" else 1
    return -1


def _closing(text: str, at: int, quote: str) -> int:
    while at < len(text) and text[at] != quote:
        if quote == '"' and (text[at] == "`" or text.startswith(("$(", "${"), at)):
            at = _substituted(text, at)
            continue
        at += 2 if quote == '"' and text[at] == "\\" else 1
    return at if at < len(text) else -1


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end
