"""GRUB's menu and environment block: what boots by default, with what words.

The menu is what grub-mkconfig writes; nothing is executed. Reference: GRUB
manual, "The GRUB environment block", "default", "menuentry".
"""

from __future__ import annotations

from vfio_doctor.parse import cmdline
from vfio_doctor.parse.whole_number import whole
from vfio_doctor.value import NamedTuple

LINUX = ("linux", "linuxefi", "linux16")


class MenuEntry(NamedTuple):
    """One entry, or a submenu with its entries.

    ``kernel`` is the path on its ``linux`` line and ``words`` are the arguments
    behind it; both are empty where the entry loads none.
    """

    title: str
    id: str
    kernel: str = ""
    words: tuple[str, ...] = ()
    entries: tuple[MenuEntry, ...] = ()


class _Open(NamedTuple):
    """A menuentry or submenu whose brace is still open."""

    title: str
    id: str
    loads: list[tuple[str, tuple[str, ...]]]
    inside: list[MenuEntry]
    depth: int

    def closed(self) -> MenuEntry:
        kernel, words = self.loads[0] if self.loads else ("", ())
        return MenuEntry(self.title, self.id, kernel, words, tuple(self.inside))


def environment(text: str) -> dict[str, str]:
    """Return the variables of a grubenv file; never raises."""
    found: dict[str, str] = {}
    for line in text.split("\n"):
        name, equals, value = line.partition("=")
        if equals and not name.startswith("#"):
            found[name] = value.replace("\\\\", "\\")
    return found


def menu(text: str) -> tuple[MenuEntry, ...]:
    """Return the entries of a grub.cfg; never raises.

    Functions and conditions are passed over, so an entry inside of one counts.
    """
    top: list[MenuEntry] = []
    stack: list[_Open] = []
    depth = 0
    for line in text.split("\n"):
        parts = tokens(line)
        opens = parts[-1:] == ("{",)
        if parts[:1] and parts[0] in ("menuentry", "submenu") and opens:
            stack.append(_Open(_title(parts), _id(parts), [], [], depth))
        elif parts[:1] and parts[0] in LINUX and stack and len(parts) > 1:
            stack[-1].loads.append((parts[1], _arguments(line)))
        depth += opens
        if parts[:1] == ("}",):
            depth = max(depth - 1, 0)
            if stack and stack[-1].depth == depth:
                done = stack.pop().closed()
                (stack[-1].inside if stack else top).append(done)
    return tuple(top)


def default(text: str, environment: dict[str, str]) -> str:
    """Return what names the entry that boots: an index, title, id or a path.

    ``next_entry`` counts for one boot and comes first. "0" where nothing says.
    """
    once = environment.get("next_entry", "")
    if once and "next_entry" in text:
        return once
    chosen = "0"
    for line in text.split("\n"):
        parts = tokens(line)
        if parts[:1] == ("set",) and len(parts) > 1:
            name, _, value = parts[1].partition("=")
            if name == "default" and "next_entry" not in value:
                chosen = value
    if "saved_entry" in chosen:
        return environment.get("saved_entry") or "0"
    return chosen


def choose(entries: tuple[MenuEntry, ...], name: str) -> MenuEntry | None:
    """Return the entry that a default names, None where there is none.

    GRUB takes the first entry where the name is unknown, and the first of a
    submenu where the name ends there.
    """
    first, _, rest = name.partition(">")
    found = _named(entries, first) or (entries[0] if entries else None)
    if found is None or not found.entries:
        return found
    return choose(found.entries, rest or "0")


def _named(entries: tuple[MenuEntry, ...], name: str) -> MenuEntry | None:
    place = whole(name, 4)
    if place is not None:
        return entries[place] if place < len(entries) else None
    return next((e for e in entries if name in (e.title, e.id)), None)


def _title(parts: tuple[str, ...]) -> str:
    return parts[1] if len(parts) > 2 else ""


def _id(parts: tuple[str, ...]) -> str:
    for n, part in enumerate(parts[:-1]):
        if part in ("--id", "$menuentry_id_option", "${menuentry_id_option}"):
            return parts[n + 1]
    return ""


def _arguments(line: str) -> tuple[str, ...]:
    """Return the kernel's words; GRUB's variables are empty unless it sets them."""
    raw = cmdline.words(line)[2:]
    return tuple(word for word in raw if not word.startswith("$"))


def tokens(line: str) -> tuple[str, ...]:
    """Return the words of one line of GRUB's script language, quotes taken off.

    A comment ends the line. Variables are left as they are written.
    """
    found: list[str] = []
    word, quote, started, n = "", "", False, 0
    while n < len(line):
        char = line[n]
        if quote:
            if char == quote:
                quote = ""
            elif char == "\\" and quote == '"' and line[n + 1 : n + 2] in ("\\", '"'):
                n += 1
                word += line[n]
            else:
                word += char
        elif char in " \t\r;":
            if started:
                found.append(word)
            word, started = "", False
        elif char == "#" and not started:
            break
        else:
            started = True
            if char in "'\"":
                quote = char
            elif char == "\\" and n + 1 < len(line):
                n += 1
                word += line[n]
            else:
                word += char
        n += 1
    return (*found, word) if started else tuple(found)
