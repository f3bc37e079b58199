"""The grammar of udev rules, as systemd's src/udev/udev-rules.c reads it."""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING

from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

BLANKS = " \t\n\r"
LINE_SIZE = 16384
OPERATORS = ("==", "!=", "+=", "-=", ":=", "=")

MATCH_ONLY = frozenset(
    ("ACTION", "DEVPATH", "KERNEL", "SUBSYSTEM", "DRIVER", "RESULT", "TEST", "CONST")
    + ("KERNELS", "SUBSYSTEMS", "DRIVERS", "ATTRS", "TAGS")
)
ASSIGN_ONLY = frozenset(
    ["OPTIONS", "OWNER", "GROUP", "MODE", "SECLABEL", "RUN", "GOTO", "LABEL"]
)
EITHER = frozenset(
    ["SYMLINK", "NAME", "ENV", "TAG", "ATTR", "SYSCTL", "PROGRAM", "IMPORT"]
)
WANTS_ATTRIBUTE = frozenset(
    ["ENV", "ATTR", "SYSCTL", "ATTRS", "CONST", "IMPORT", "SECLABEL"]
)
MAY_HAVE_ATTRIBUTE = WANTS_ATTRIBUTE | {"TEST", "RUN"}
CAN_REMOVE = frozenset(("SYMLINK", "TAG"))
# All that any version has; udev_builtin_lookup compares the first word.
BUILTINS = frozenset(
    ("blkid", "btrfs", "dissect_image", "factory_reset", "hwdb", "input_id", "keyboard")
    + ("kmod", "net_driver", "net_id", "net_setup_link", "path_id", "tpm2_id")
    + ("uaccess", "usb_id")
)
# device_property_can_set() of libsystemd's sd-device.
FIXED = frozenset(
    ("ACTION", "DEVLINKS", "DEVNAME", "DEVPATH", "DEVTYPE", "DRIVER", "IFINDEX")
    + ("MAJOR", "MINOR", "SEQNUM", "SUBSYSTEM", "TAGS")
)
IMPORTS = frozenset(["file", "program", "builtin", "db", "cmdline", "parent"])

# Most terms: read at one go. What else there may be is read sign by sign.
PLAIN_TERM = re.compile(
    r'([A-Z]+)(?:\{([^}]+)\})?[ \t\n\r]*([=!+:-]=|=)[ \t\n\r]*"([^"\\]*)"'
)
ESCAPES = {
    **dict(zip("abfnrtv", "\a\b\f\n\r\t\v", strict=True)),
    **{char: char for char in "\\\"'"},
    "s": " ",
}
HEX_ESCAPES = {"x": 2, "u": 4, "U": 8}


class Term(NamedTuple):
    """One ``KEY{attribute}op"value"`` of a rule; the value is unescaped.

    ``ignore_case`` stands for the ``i"…"`` prefix of systemd 258.
    """

    key: str
    attribute: str
    op: str
    value: str
    ignore_case: bool = False

    @property
    def is_match(self) -> bool:
        """Tell whether the term is a condition rather than an assignment."""
        return self.op in ("==", "!=") or self.key in ("PROGRAM", "IMPORT")


class FaultKind(Enum):
    """What is wrong with a rule that systemd drops as a whole."""

    UNFINISHED = "unfinished"
    TOO_LONG = "too-long"
    NOT_A_TERM = "not-a-term"
    UNKNOWN_KEY = "unknown-key"
    NEEDS_ATTRIBUTE = "needs-attribute"
    TAKES_NO_ATTRIBUTE = "takes-no-attribute"
    UNKNOWN_ATTRIBUTE = "unknown-attribute"
    PREFIX_IN_ASSIGNMENT = "prefix-in-assignment"
    WRONG_OPERATOR = "wrong-operator"
    NAME_OF_A_NODE = "name-of-a-node"
    UNKNOWN_BUILTIN = "unknown-builtin"
    FIXED_PROPERTY = "fixed-property"


class Fault(NamedTuple):
    """Why systemd drops a rule: the key it is about, and the text that is wrong."""

    kind: FaultKind
    key: str = ""
    text: str = ""


class Rule(NamedTuple):
    """One rule: line numbers (from 1), the exact text, terms, why it is dropped.

    ``raw`` holds the text of all its lines without the last line end. ``last`` is
    the number that systemd's log lines name.
    """

    first: int
    last: int
    raw: str
    terms: tuple[Term, ...]
    problem: Fault | None = None


class RuleFile(NamedTuple):
    """The rules of one file in order."""

    lines: tuple[Rule, ...]

    @property
    def problems(self) -> tuple[tuple[int, Fault], ...]:
        """Return the line and the fault of each rule that is dropped."""
        return tuple((r.last, r.problem) for r in self.lines if r.problem)


class _Found(NamedTuple):
    """A term and where its value stands, quotes not included."""

    term: Term
    start: int
    end: int


def parse_udev_rules(text: str) -> RuleFile:
    """Return the rules of a file; comments and blank lines are left out.

    A rule that systemd drops as a whole is kept with ``problem`` set and without
    terms. Never raises.
    """
    return RuleFile(tuple(_rule(piece) for piece in _logical(text)))


def replace_value(line: str, key: str, new: str) -> str:
    """Return a rule's raw text with the value of each ``key`` assignment replaced.

    Nothing else is touched: blanks, commas, comments inside the continuation and
    the quotes stay. Raises ValueError if the line has no such assignment or
    ``new`` cannot stand between quotes.
    """
    if any(char in new for char in '"\\\n\r\0'):
        raise ValueError(f"{new!r} cannot stand in a udev rule")
    joined, offsets = _joined(line)
    found, _ = _scan(joined)
    spans = [f for f in found if f.term.key == key and not f.term.is_match]
    if not spans:
        raise ValueError(f"no {key} is assigned in: {line}")
    for span in reversed(spans):
        start = offsets[span.start]
        end = offsets[span.end]
        line = line[:start] + new + line[end:]
    return line


def has_assignment(line: str, key: str) -> bool:
    """Tell whether a rule's raw text assigns ``key`` anywhere."""
    joined, _ = _joined(line)
    found, _ = _scan(joined)
    return any(f.term.key == key and not f.term.is_match for f in found)


class _Piece(NamedTuple):
    """The raw text of one rule; ``complete`` is false if the file ends in it."""

    first: int
    last: int
    raw: str
    complete: bool


def _logical(text: str) -> Iterator[_Piece]:
    lines = text.replace("\0", "\n").removesuffix("\n").split("\n")
    first = 0
    for number, line in enumerate(lines, 1):
        body = line.strip(BLANKS)
        # A comment inside a continuation is left out, a blank line ends the rule.
        if body.startswith("#") or not (body or first):
            continue
        first = first or number
        if not _continues(line):
            yield _piece(lines, first, number, True)
            first = 0
    if first:
        yield _piece(lines, first, len(lines), False)


def _piece(lines: list[str], first: int, last: int, complete: bool) -> _Piece:
    raw = "\n".join(lines[first - 1 : last]).removesuffix("\r")
    return _Piece(first, last, raw, complete)


def _continues(line: str) -> bool:
    return line.removesuffix("\r").endswith("\\")


def _joined(raw: str) -> tuple[str, list[int]]:
    """Return a rule on one line, and where each character (and the end) was."""
    text: list[str] = []
    offsets: list[int] = []
    at = 0
    for line in raw.split("\n"):
        body = line.removesuffix("\r")
        start = len(body) - len(body.lstrip(BLANKS))
        end = len(body) - body.endswith("\\")
        if not body.startswith("#", start) and start < end:
            text.append(body[start:end])
            offsets.extend(range(at + start, at + end))
        at += len(line) + 1
    offsets.append(offsets[-1] + 1 if offsets else 0)
    return "".join(text), offsets


def _rule(piece: _Piece) -> Rule:
    text, _ = _joined(piece.raw)
    found: list[_Found] = []
    problem: Fault | None
    if not piece.complete:
        problem = Fault(FaultKind.UNFINISHED)
    elif len(text) >= LINE_SIZE:
        problem = Fault(FaultKind.TOO_LONG)
    else:
        found, problem = _scan(text)
        faults = (_fault(f.term) for f in found)
        problem = problem or next((each for each in faults if each), None)
    terms = () if problem else tuple(f.term for f in found)
    return Rule(piece.first, piece.last, piece.raw, terms, problem)


def _scan(text: str) -> tuple[list[_Found], Fault | None]:
    """Return the terms of a joined rule, and what stopped the reading or None."""
    found: list[_Found] = []
    at = _skip(text, 0, BLANKS + ",")
    while at < len(text):
        one = _term(text, at)
        if one is None:
            return found, Fault(FaultKind.NOT_A_TERM, "", text[at : at + 40])
        found.append(one)
        at = _skip(text, one.end + 1, BLANKS + ",")
    return found, None


def _term(text: str, at: int) -> _Found | None:
    plain = PLAIN_TERM.match(text, at)
    if plain:
        key, attribute, op, value = plain.groups("")
        return _Found(Term(key, attribute, op, value), plain.start(4), plain.end(4))
    end = at
    while end < len(text) and text[end] not in BLANKS + "={":
        if text[end] in "+-!:" and text.startswith("=", end + 1):
            break
        end += 1
    key, attribute = text[at:end], ""
    if text.startswith("{", end):
        close = text.find("}", end)
        if close < 0:
            return None
        attribute, end = text[end + 1 : close], close + 1
        key += "" if attribute else "{}"
    end = _skip(text, end, BLANKS)
    op = next((op for op in OPERATORS if text.startswith(op, end)), "")
    if not op:
        return None
    return _value(
        text, _skip(text, end + len(op), BLANKS), Term(key, attribute, op, "")
    )


def _value(text: str, at: int, term: Term) -> _Found | None:
    quote = text.find('"', at, at + 3)
    prefix = text[at:quote] if quote >= 0 else "?"
    if prefix not in ("", "e", "i", "ei", "ie"):
        return None
    escaped = "e" in prefix
    end = _closing(text, quote + 1, escaped)
    if end < 0:
        return None
    inner = text[quote + 1 : end]
    value = _unescape(inner) if escaped else inner.replace('\\"', '"')
    if value is None:
        return None
    made = term._replace(value=value, ignore_case="i" in prefix)
    return _Found(made, quote + 1, end)


def _closing(text: str, at: int, escaped: bool) -> int:
    """Return where the closing quote stands, or -1."""
    while at < len(text) and text[at] != '"':
        at += 2 if text[at] == "\\" and (escaped or text[at + 1 : at + 2] == '"') else 1
    return at if at < len(text) else -1


def _unescape(text: str) -> str | None:
    """Undo C escapes; None if one is not valid, as cunescape() answers."""
    head, *rest = text.split("\\")
    out = [head]
    while rest:
        part = rest.pop(0)
        if not part:
            if not rest:
                return None
            out.append("\\" + rest.pop(0))
            continue
        one = _escape(part)
        if one is None:
            return None
        out.append(one)
    return "".join(out)


def _escape(part: str) -> str | None:
    """Return what follows a backslash, its escape undone."""
    if part[0] in ESCAPES:
        return ESCAPES[part[0]] + part[1:]
    size = HEX_ESCAPES.get(part[0])
    digits, base = (part[1 : 1 + size], 16) if size else (part[:3], 8)
    wanted = size or 3
    try:
        code = int(digits, base) if len(digits) == wanted and digits.isalnum() else 0
        return chr(code) + part[wanted + bool(size) :] if code else None
    except (ValueError, OverflowError):
        return None


def _skip(text: str, at: int, chars: str) -> int:
    while at < len(text) and text[at] in chars:
        at += 1
    return at


def _fault(term: Term) -> Fault | None:
    """Return why systemd drops a line with this term, or None."""
    key, op = term.key.removesuffix("{}"), term.op
    if key not in MATCH_ONLY | ASSIGN_ONLY | EITHER:
        return Fault(FaultKind.UNKNOWN_KEY, key)
    if key in WANTS_ATTRIBUTE and not term.attribute:
        return Fault(FaultKind.NEEDS_ATTRIBUTE, key)
    if key not in MAY_HAVE_ATTRIBUTE and (term.attribute or term.key != key):
        return Fault(FaultKind.TAKES_NO_ATTRIBUTE, key)
    if term.ignore_case and op not in ("==", "!="):
        return Fault(FaultKind.PREFIX_IN_ASSIGNMENT, key)
    unknown = key == "IMPORT" and term.attribute not in IMPORTS
    if unknown or (key == "CONST" and term.attribute not in ("arch", "virt")):
        return Fault(FaultKind.UNKNOWN_ATTRIBUTE, f"{key}{{{term.attribute}}}")
    wrong = _wrong_operator(key, op)
    return Fault(FaultKind.WRONG_OPERATOR, key, op) if wrong else _wrong_value(term)


def _wrong_value(term: Term) -> Fault | None:
    """Return why systemd drops a line with this value, or None."""
    key, value = term.key, term.value
    if key == "RUN" and term.attribute not in ("", "program", "builtin"):
        return Fault(FaultKind.UNKNOWN_ATTRIBUTE, f"{key}{{{term.attribute}}}")
    if key in ("RUN", "IMPORT") and term.attribute == "builtin":
        name = value.split(None, 1)[0] if value.split() else ""
        known = not name or name in BUILTINS
        return None if known else Fault(FaultKind.UNKNOWN_BUILTIN, key, name)
    if term.is_match:
        return None
    if key == "NAME" and value in ("", "%k"):
        return Fault(FaultKind.NAME_OF_A_NODE, key, value)
    if key == "ENV" and term.attribute in FIXED:
        return Fault(FaultKind.FIXED_PROPERTY, f"{key}{{{term.attribute}}}")
    return None


def _wrong_operator(key: str, op: str) -> bool:
    if key in ("GOTO", "LABEL"):
        return op != "="
    matches = op in ("==", "!=")
    if key in MATCH_ONLY:
        return not matches
    if key in ASSIGN_ONLY and matches:
        return True
    return op == "-=" and key not in CAN_REMOVE
