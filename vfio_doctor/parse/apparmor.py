"""Files of AppArmor: which rules they hold for a path, and what they include."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_INCLUDE = re.compile(
    r'#?include\s+(if\s+exists\s+)?(?:<([^>\s]{1,200})>|"([^"\s]{1,200})")'
)
_PERMS = re.compile(r"[rwaklmxiupRWAKLMXPUcCD]{1,12}")
_BEFORE = ("audit", "allow", "file", "quiet")


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

    ``unfinished`` are rules without the comma that ends each, as line and text:
    AppArmor refuses the file for one.
    """

    rules: tuple[FileRule, ...]
    includes: tuple[Include, ...]
    unfinished: tuple[tuple[int, str], ...] = ()

    def verdict(self, path: str) -> bool | None:
        """Tell whether the file opens a path for reading and writing.

        False if a rule denies that, None if no rule says it.
        """
        said = [rule for rule in self.rules if matches(rule.glob, path)]
        if any(rule.deny and {"r", "w"} & set(rule.perms) for rule in said):
            return False
        free = (rule for rule in said if not (rule.deny or rule.owner))
        held = {p for rule in free for p in rule.perms.lower()}
        return True if {"r", "w"} <= held else None


def parse(text: str) -> ProfileText:
    """Return the rules for files and the includes; all else is passed over."""
    rules: list[FileRule] = []
    includes: list[Include] = []
    for number, line in enumerate(text.splitlines(), 1):
        body = line.strip()
        found = _INCLUDE.match(body)
        if found:
            name = found[2] or found[3].removeprefix("/etc/apparmor.d/")
            includes.append(Include(name, bool(found[1]), number))
        elif not body.startswith("#"):
            rules.extend(_rules(body.partition(" #")[0], number))
    return ProfileText(tuple(rules), tuple(includes), tuple(_unfinished(text)))


def _unfinished(text: str) -> Iterator[tuple[int, str]]:
    """Yield rules for files whose comma is neither on their line nor on the next."""
    lines = [
        (number, line, line.strip().partition(" #")[0].strip())
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    following = [body for _, _, body in lines[1:]] + [""]
    for (number, line, body), after in zip(lines, following, strict=False):
        last = re.split(r",(?=\s|$)", body)[-1]
        if last and _rules(f"{last},", number) and not after.startswith((",", "->")):
            yield number, line


def _rules(body: str, number: int) -> list[FileRule]:
    """Return the rules of a line: ``owner /dev/x rw,`` or ``rw /dev/x,``."""
    found = []
    for part in re.split(r",(?=\s|$)", body)[:-1]:
        words = part.replace('"', "").split()
        deny, owner = "deny" in words, "owner" in words
        rest = [w for w in words if w not in (*_BEFORE, "deny", "owner")]
        if len(rest) != 2:
            continue
        path, perms = rest if rest[0].startswith(("/", "@", "{")) else rest[::-1]
        if path.startswith("/") and _PERMS.fullmatch(perms):
            found.append(FileRule(path, perms, deny, owner, number))
    return found


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
