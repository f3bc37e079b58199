"""Kernel arguments for Limine with the entry tool: CachyOS, Omarchy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.boot.backend import BootBackend, MenuMaker
from vfio_doctor.boot.kernel_cmdline import content
from vfio_doctor.boot.sealed import running_words
from vfio_doctor.boot.words import added, refuse_init_part, removed, take
from vfio_doctor.facts.base import CannotFix
from vfio_doctor.facts.boot.config import (
    LIMINE_DEFAULT,
    LIMINE_KEY,
    limine_configured,
    limine_files,
)
from vfio_doctor.facts.boot.entries import limine_entry
from vfio_doctor.facts.boot.menu import LIMINE_TOOLS, limine_tool
from vfio_doctor.facts.boot.stack import LIMINE_MENUS
from vfio_doctor.host.reader import Missing, Why
from vfio_doctor.messages import say
from vfio_doctor.model import CommandStep, FileStep, Step
from vfio_doctor.parse import shell_assignment as shell

if TYPE_CHECKING:
    from vfio_doctor.boot.backend import ArgumentEdit
    from vfio_doctor.host.reader import Reader

BY_HAND = say(
    "limine-kept-by-hand",
    "{path} is kept by hand here: have one line like this in the entry that you "
    "boot: cmdline: {line}",
)
NOT_FOUND = say(
    "limine-word-not-found", "{words}: not found in any file limine-update reads"
)
OLD_ENTRIES = say(
    "do-limine-entries-back", "regenerate the boot entries from the old files"
)
NEW_ENTRIES = say("do-limine-entries", "regenerate the boot entries")


class Limine(BootBackend, MenuMaker):
    """``KERNEL_CMDLINE[default]`` in `/etc/default/limine`, then limine-update.

    Entries in ``limine.conf`` are made from it; edits there would be lost. Words
    may also come from ``/etc/limine-entry-tool.d``, whose files are edited where
    one of them has a word that has to go.
    """

    name = "limine"
    commands = tuple((tool,) for tool in LIMINE_TOOLS)

    def read(self, host: Reader) -> tuple[str, ...] | Missing:
        """Return the words that the next run of limine-update writes.

        Where the menu is kept by hand they are those of its default entry.
        """
        found = limine_configured(host)[0]
        if not isinstance(found, Missing) or found.why is not Why.ABSENT:
            return found
        menu = self.menu(host)
        if isinstance(menu, Missing) and menu.why is Why.ABSENT:
            # Kept somewhere else: the line that is told then is the running one.
            return running_words(host)
        return menu

    def menu(self, host: Reader) -> tuple[str, ...] | Missing:
        """Return the words of limine.conf's default entry."""
        entry = limine_entry(host)
        return entry if isinstance(entry, Missing) else entry.words

    def steps(self, host: Reader, edit: ArgumentEdit) -> tuple[Step, ...]:
        """Return the file's edit between two runs of the entry tool (see GRUB)."""
        refuse_init_part(edit, self.name)
        tool = limine_tool(host)
        if not tool or content(host, LIMINE_DEFAULT) is None:
            entry = limine_entry(host)
            path = LIMINE_MENUS[0] if isinstance(entry, Missing) else entry.source
            raise CannotFix(BY_HAND.filled(path=path, line=" ".join(edit.after)))
        gone = list(removed(edit))
        edits = [
            step
            for path in reversed(limine_files(host))
            if (step := _file_step(host, path, gone, edit)) is not None
        ]
        if gone:
            raise CannotFix(NOT_FOUND.filled(words=" ".join(gone)))
        return (
            CommandStep((), (tool,), why=OLD_ENTRIES),
            *edits,
            CommandStep((tool,), why=NEW_ENTRIES),
        )


def _file_step(
    host: Reader, path: str, gone: list[str], edit: ArgumentEdit
) -> FileStep | None:
    """Return one file's edit; what is taken out of it leaves ``gone``."""
    before = content(host, path)
    if before is None:
        return None
    text = _text(before)
    for found in reversed(shell.assignments(text, LIMINE_KEY)):
        here = [p.meaning for p in found.pieces if p.meaning in gone]
        taken = [word for word in here if word is not None and take(gone, word)]
        if found.whole and taken:
            text = shell.edited(text, found, tuple(taken), "")
    if path == LIMINE_DEFAULT and added(edit):
        text = _put_in(text, " ".join(added(edit)))
    after = text.encode("utf-8", "surrogateescape")
    return FileStep(path, before, after) if after != before else None


def _put_in(text: str, new: str) -> str:
    found = shell.assignments(text, LIMINE_KEY)
    if found and found[-1].whole:
        return shell.edited(text, found[-1], (), new)
    # The tool adds with +=; a plain = would drop what other files have set. It puts
    # no blank between what is there and what is added.
    gap = "" if not text or text.endswith("\n") else "\n"
    line = shell.appended("", LIMINE_KEY, f" {new}", extend=False)
    return f"{text}{gap}{line.replace('=', '+=', 1)}"


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
