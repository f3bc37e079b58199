"""Files of AppArmor: which rules they hold for a path, and what they include."""

from __future__ import annotations

import re
from itertools import takewhile
from typing import TYPE_CHECKING

from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_MODES = r"[rwaklmixupcdRWAKLMIXUPCD]{1,12}"
# A comma belongs to a path if no blank follows it: /dev/{null,zero}.
_TOKEN = re.compile(
    r"(?P<include>\#?include\s+(?P<maybe>if\s+exists\s+)?"
    r'(?:<(?P<angled>[^>\s]{1,200})>|"(?P<quoted>[^"\s]{1,200})"))'
    r"|(?P<comment>\#[^\n]*)"
    r"|(?P<blank>\s+)"
    r"|(?P<mark>[,{}])"
    rf"|(?P<mode>{_MODES})(?=[\s,#]|$)"
    r'|(?P<group>(?:\w{1,40}=)?\([^)]{0,400}\))|(?P<text>"[^"\n]*")'
    r'|(?P<word>(?=[^\s,"#])(?:[^\s,"\\]+|\\.|\\|,(?=[^\s,"#]))+)'
    r"|(?P<odd>.)"
)
_FLAGS = re.compile(r"flags=\([^)\n]{0,200}\bcomplain\b")
_PERMS = re.compile(_MODES)
# x alone does not say under which profile, and a is a part of w (parser_yacc.y).
_REFUSED_PERMS = re.compile(r"[^iIpPuUcC]*x.*|(?=.*a)(?=.*w).*", re.IGNORECASE)
_BEFORE = ("audit", "allow", "file", "quiet", "deny", "owner")
_PATH = ("/", "@{", '"')
_IN_DEV = re.compile(r"\W{0,3}/?dev/")


class FileRule(NamedTuple):
    """One rule for files: the paths as a glob, and what it allows or denies."""

    glob: str
    perms: str
    deny: bool
    owner: bool
    line: int


class Include(NamedTuple):
    """One file or folder that is read in its place, below ``/etc/apparmor.d``."""

    name: str
    if_exists: bool
    line: int


class ProfileText(NamedTuple):
    """What one file says.

    ``unfinished`` are rules without the comma that ends each, as line and text;
    ``wrong`` are other rules for files that AppArmor does not take. It refuses the
    file for one of them. ``complains``: what a profile forbids is only logged.
    """

    rules: tuple[FileRule, ...]
    includes: tuple[Include, ...]
    unfinished: tuple[tuple[int, str], ...] = ()
    wrong: tuple[tuple[int, str], ...] = ()
    complains: bool = False

    def verdict(self, path: str) -> bool | None:
        """Tell whether the file opens a path for reading and writing.

        False if a rule denies that, None if no rule says it.
        """
        if self.complains:
            return True
        said = [rule for rule in self.rules if matches(rule.glob, path)]
        if any(rule.deny and {"r", "w"} & set(rule.perms) for rule in said):
            return False
        free = (rule for rule in said if not (rule.deny or rule.owner))
        held = {p for rule in free for p in rule.perms.lower()}
        return True if {"r", "w"} <= held else None


def parse(text: str, within: int = 0) -> ProfileText:
    """Return the rules for files and the includes; all else is passed over.

    ``within`` is in how many braces the rules of a VM stand: 1 in a whole profile.
    """
    lines = text.split("\n")
    rules: list[FileRule] = []
    unfinished: list[tuple[int, str]] = []
    wrong: list[tuple[int, str]] = []
    for statement in _statements(text):
        if statement.depth == within:
            for rule, line, fault in _rules(statement):
                if rule:
                    rules.append(rule)
                if fault:
                    found = unfinished if rule else wrong
                    found.append((line, lines[line - 1]))
    return ProfileText(
        tuple(rules),
        tuple(_includes(text)),
        tuple(unfinished),
        tuple(wrong),
        bool(_FLAGS.search(text)),
    )


class _Statement(NamedTuple):
    """The words of one rule, each with its line; ``ended`` by a comma."""

    words: tuple[tuple[str, int], ...]
    depth: int
    ended: bool


def _statements(text: str) -> Iterator[_Statement]:
    words: list[tuple[str, int]] = []
    depth, line = 0, 1
    for found in _TOKEN.finditer(text):
        kind, token = found.lastgroup, found[0]
        if kind == "mark" or found["include"]:
            if words and token != "{":
                yield _Statement(tuple(words), depth, token == ",")
            words = []
            depth += (token == "{") - (token == "}")
        elif kind not in ("comment", "blank"):
            words.append((token, line))
        line += token.count("\n")
    if words:
        yield _Statement(tuple(words), depth, False)


def _includes(text: str) -> Iterator[Include]:
    line = 1
    for found in _TOKEN.finditer(text):
        if found["include"]:
            name = found["angled"] or found["quoted"]
            path = name.removeprefix("/etc/apparmor.d/")
            yield Include(path, bool(found["maybe"]), line)
        line += found[0].count("\n")


# A rule for files or None, its line, and whether AppArmor refuses it.
_Read = tuple[FileRule | None, int, bool]


def _rules(statement: _Statement) -> Iterator[_Read]:
    """Yield the rules for files in a statement: one, or more if a comma is lost."""
    words = list(statement.words)
    while words:
        before = [word for word, _ in takewhile(_is_before, words)]
        rest = words[len(before) :]
        pair = [word for word, _ in rest[:2]]
        if _PERMS.fullmatch(pair[0] if rest else "") and _starts(pair[1:]):
            pair.reverse()
        if not _starts(pair):
            yield from _other(before, words, rest, statement.ended)
            return
        end = len(before) + 2
        if words[end : end + 1] and words[end][0] == "->":
            end += 2
        line = rest[-1 if len(rest) < 2 else 1][1]
        rule = _file_rule(pair, before, line)
        yield rule, line, rule is None or not (statement.ended and end >= len(words))
        words = words[end:] if rule else []


def _is_before(word: tuple[str, int]) -> bool:
    return word[0] in _BEFORE or word[0].startswith("priority=")


def _starts(words: list[str]) -> bool:
    return bool(words) and words[0].startswith(_PATH)


def _other(
    before: list[str],
    words: list[tuple[str, int]],
    rest: list[tuple[str, int]],
    ended: bool,
) -> Iterator[_Read]:
    """Yield ``file,``, which is a rule for every path, or a path that is none."""
    line = words[0][1]
    if rest:
        at = 1 if len(rest) > 1 and _PERMS.fullmatch(rest[0][0]) else 0
        yield None, line, bool(_IN_DEV.match(rest[at][0]))
    elif before[-1] == "file" and ended:
        deny, owner = "deny" in before, "owner" in before
        yield FileRule("/**", "rwmlk", deny, owner, line), line, False


def _file_rule(pair: list[str], before: list[str], line: int) -> FileRule | None:
    deny, owner = "deny" in before, "owner" in before
    perms = pair[1] if len(pair) > 1 else ""
    refused = _REFUSED_PERMS.fullmatch(perms) and not deny
    if refused or not _PERMS.fullmatch(perms):
        return None
    return FileRule(pair[0].strip('"'), perms, deny, owner, line)


def matches(glob: str, path: str) -> bool:
    """Tell whether an AppArmor glob names a path."""
    if len(glob) > 200 or glob.count("*") > 8:
        return False
    try:
        return re.fullmatch(_pattern(glob), path) is not None
    except re.error:
        return False


_WILD = {"**": ".*", "*": "[^/]*", "?": "[^/]", "{": "(?:", "}": ")"}


def _pattern(glob: str) -> str:
    out, depth = [], 0
    for token in re.findall(r"\*\*|\[\^?[^\]/]{1,40}\]|\\.|.", glob):
        depth += (token == "{") - (token == "}")
        if token in _WILD:
            out.append(_WILD[token])
        elif token == "," and depth:
            out.append("|")
        elif len(token) > 2:
            out.append(_set(token[1:-1]))
        else:
            out.append(re.escape(token[-1]))
    return "".join(out)


def _set(inner: str) -> str:
    """Return a set of characters as ``re`` writes it; ranges stay ranges."""
    without = inner.startswith("^")
    parts = re.findall(r"[A-Za-z0-9]-[A-Za-z0-9]|.", inner[without:])
    held = "".join(part if len(part) == 3 else re.escape(part) for part in parts)
    return f"[{'^' * without}{held}]"
