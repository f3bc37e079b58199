"""Kernel arguments in systemd-boot's entries, and for kernels to come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.boot.backend import BootBackend
from vfio_doctor.boot.kernel_cmdline import (
    CMDLINE,
    cmdline_step,
    content,
    with_words,
    without_words,
)
from vfio_doctor.boot.sealed import running_words, sealed_advice
from vfio_doctor.boot.words import added, removed, take
from vfio_doctor.facts.base import CannotFix
from vfio_doctor.facts.boot.systemd_menu import IS_IMAGE, default_entry
from vfio_doctor.host.reader import CONFIG_BYTES, Missing, read_text
from vfio_doctor.messages import say
from vfio_doctor.model import FileStep, Step
from vfio_doctor.parse import bls
from vfio_doctor.parse.cmdline import END, words

if TYPE_CHECKING:
    from vfio_doctor.boot.backend import ArgumentEdit
    from vfio_doctor.host.reader import Reader

KEY = "options"
NO_DEFAULT = say("boot-default-unknown", "the default boot entry is not known: {why}")


class SystemdBoot(BootBackend):
    """The default entry's ``options`` line, and ``/etc/kernel/cmdline``.

    Other entries stay as they are: one of them is the way back if the next boot
    fails. Kernels installed later get theirs from ``/etc/kernel/cmdline``. An entry
    that starts a program with arguments of its own never gets an ``options`` line.
    """

    name = "systemd-boot"

    def read(self, host: Reader) -> tuple[str, ...] | Missing:
        """Return the words of the entry that boots by default."""
        path = default_entry(host)
        if isinstance(path, Missing):
            return path
        text = read_text(host, path, CONFIG_BYTES)
        if isinstance(text, Missing):
            return text
        if bls.starts_program(bls.entry(text)):
            return running_words(host)
        return words(bls.options(text))

    def steps(self, host: Reader, edit: ArgumentEdit) -> tuple[Step, ...]:
        """Return the edit of the entry, and of the line for kernels to come."""
        path = default_entry(host)
        if isinstance(path, Missing):
            if path.detail == IS_IMAGE:
                raise CannotFix(sealed_advice(host, edit))
            raise CannotFix(NO_DEFAULT.filled(why=path.message), path.why)
        before = content(host, path)
        text = (before or b"").decode("utf-8", "surrogateescape")
        if bls.starts_program(bls.entry(text)):
            raise CannotFix(sealed_advice(host, edit))
        after = with_options(text, edit).encode("utf-8", "surrogateescape")
        line = cmdline_step(host, CMDLINE, edit)
        return (FileStep(path, before, after), *((line,) if line else ()))


def with_options(text: str, edit: ArgumentEdit) -> str:
    """Return an entry with the edit made in its ``options`` lines.

    The loader joins them: new words go to the last line, or before a ``--`` to
    the line that has it.
    """
    gone, lines = list(removed(edit)), bls.lines(text)
    spans = [(n, bls.value_span(line, KEY)) for n, line in enumerate(lines)]
    places = [(n, span) for n, span in spans if span is not None]
    held = [lines[n][span[0] : span[1]] for n, span in places]
    end = next((n for n, value in enumerate(held) if END in words(value)), len(held))
    for n in range(min(end + 1, len(held))):
        held[n] = without_words(held[n], gone)
    present = [word for value in held for word in words(value)]
    new = " ".join(word for word in added(edit) if not take(present, word))
    if new and held:
        at = min(end, len(held) - 1)
        held[at] = with_words(held[at], new)
    for value, (n, (start, stop)) in zip(held, places, strict=True):
        gap = " " if value and lines[n][:start].endswith(KEY) else ""
        lines[n] = f"{lines[n][:start]}{gap}{value}{lines[n][stop:]}"
    return "".join(lines) if held or not new else _with_line(text, new)


def _with_line(text: str, new: str) -> str:
    end = "\r\n" if "\r\n" in text else "\n"
    gap = "" if not text or text.endswith(("\n", "\r")) else end
    return f"{text}{gap}{KEY} {new}{end}"
