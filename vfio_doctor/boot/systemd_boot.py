"""Kernel arguments in systemd-boot's entries, and for kernels to come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.boot.kernel_cmdline import (
    CMDLINE,
    cmdline_step,
    content,
    edited_words,
)
from vfio_doctor.facts.base import CannotFix
from vfio_doctor.host.reader import Missing, Why, read_text
from vfio_doctor.model import FileStep, Step
from vfio_doctor.parse import bls
from vfio_doctor.parse.cmdline import words

if TYPE_CHECKING:
    from vfio_doctor.boot.backend import ArgumentEdit
    from vfio_doctor.host.reader import Reader

ROOTS = ("/boot", "/efi", "/boot/efi")


class SystemdBoot:
    """The default entry's ``options`` line, and ``/etc/kernel/cmdline``.

    Other entries stay as they are: one of them is the way back if the next boot
    fails. Kernels installed later get theirs from ``/etc/kernel/cmdline``.
    """

    name = "systemd-boot"

    def read(self, host: Reader) -> tuple[str, ...] | Missing:
        """Return the words of the entry that boots by default."""
        path = default_entry(host)
        if isinstance(path, Missing):
            return path
        text = read_text(host, path)
        if isinstance(text, Missing):
            return text
        values = [value for key, value in bls.fields(text) if key == "options"]
        return words(" ".join(values))

    def steps(self, host: Reader, edit: ArgumentEdit) -> tuple[Step, ...]:
        """Return the edit of the entry, and of the line for kernels to come."""
        path = default_entry(host)
        if isinstance(path, Missing):
            raise CannotFix(f"the default boot entry is not known: {path}")
        before = content(host, path)
        text = (before or b"").decode("utf-8", "surrogateescape")
        after = with_options(text, edit).encode("utf-8", "surrogateescape")
        line = cmdline_step(host, CMDLINE, edit)
        return (FileStep(path, before, after), *((line,) if line else ()))


def with_options(text: str, edit: ArgumentEdit) -> str:
    """Return an entry with the edit made in its last ``options`` line."""
    lines = text.splitlines(keepends=True)
    places = [n for n, line in enumerate(lines) if line.split()[:1] == ["options"]]
    if not places:
        gap = "" if not text or text.endswith("\n") else "\n"
        return f"{text}{gap}options {edited_words('', edit)}\n"
    for n in places[:-1]:
        lines[n] = _edited_line(lines[n], edit._replace(after=_kept(edit)))
    lines[places[-1]] = _edited_line(lines[places[-1]], edit)
    return "".join(lines)


def _kept(edit: ArgumentEdit) -> tuple[str, ...]:
    return tuple(word for word in edit.before if word in edit.after)


def _edited_line(line: str, edit: ArgumentEdit) -> str:
    start = line.index("options") + len("options")
    while start < len(line) and line[start] in " \t":
        start += 1
    return line[:start] + edited_words(line[start:], edit)


def default_entry(host: Reader) -> str | Missing:
    """Return the path of the entry that boots by default.

    ``default`` in loader.conf names it, a pattern included; else the newest by
    name. A default chosen in the boot menu lives in an EFI variable and wins:
    LoaderEntryDefault of the Boot Loader Interface.
    """
    for root in ROOTS:
        entries = host.glob(f"{root}/loader/entries/*.conf")
        if isinstance(entries, Missing):
            return entries
        if entries:
            return _chosen(host, root, entries)
    return Missing("/boot/loader/entries", Why.ABSENT)


def _chosen(host: Reader, root: str, entries: tuple[str, ...]) -> str | Missing:
    wanted = _chosen_in_menu(host) or _configured(host, root)
    if isinstance(wanted, Missing):
        return wanted
    if not wanted:
        return entries[-1]
    from fnmatch import fnmatchcase

    pattern = wanted if wanted.endswith(".conf") else f"{wanted}.conf"
    matching = [e for e in entries if fnmatchcase(e.rpartition("/")[2], pattern)]
    return matching[-1] if matching else Missing(pattern, Why.ABSENT)


def _configured(host: Reader, root: str) -> str | Missing:
    text = read_text(host, f"{root}/loader/loader.conf")
    if isinstance(text, Missing):
        return "" if text.why is Why.ABSENT else text
    named = [line.split(maxsplit=1) for line in text.splitlines()]
    values = [
        parts[1].strip() for parts in named if parts[:1] == ["default"] and parts[1:]
    ]
    return "" if not values or values[-1].startswith("@") else values[-1]


def _chosen_in_menu(host: Reader) -> str:
    variable = "/sys/firmware/efi/efivars/LoaderEntryDefault-"
    data = host.read_bytes(f"{variable}4a67b082-0a4c-41cf-b6c7-440b29bb8c4f")
    if isinstance(data, Missing):
        return ""
    return data[4:].decode("utf-16-le", "replace").rstrip("\0")
