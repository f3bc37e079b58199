"""Kernel arguments in systemd-boot's entries, and for kernels to come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.boot.backend import BootBackend
from vfio_doctor.boot.kernel_cmdline import (
    CMDLINE,
    cmdline_step,
    content,
    edited_words,
)
from vfio_doctor.facts.base import CannotFix
from vfio_doctor.facts.boot.entries import default_entry, entry_words
from vfio_doctor.host.reader import Missing
from vfio_doctor.messages import say
from vfio_doctor.model import FileStep, Step

if TYPE_CHECKING:
    from vfio_doctor.boot.backend import ArgumentEdit
    from vfio_doctor.host.reader import Reader

NO_DEFAULT = say("boot-default-unknown", "the default boot entry is not known: {why}")


class SystemdBoot(BootBackend):
    """The default entry's ``options`` line, and ``/etc/kernel/cmdline``.

    Other entries stay as they are: one of them is the way back if the next boot
    fails. Kernels installed later get theirs from ``/etc/kernel/cmdline``.
    """

    name = "systemd-boot"

    def read(self, host: Reader) -> tuple[str, ...] | Missing:
        """Return the words of the entry that boots by default."""
        path = default_entry(host)
        return path if isinstance(path, Missing) else entry_words(host, path)

    def steps(self, host: Reader, edit: ArgumentEdit) -> tuple[Step, ...]:
        """Return the edit of the entry, and of the line for kernels to come."""
        path = default_entry(host)
        if isinstance(path, Missing):
            raise CannotFix(NO_DEFAULT.filled(why=path.message), path.why)
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
