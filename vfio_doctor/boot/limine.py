"""Kernel arguments for Limine with the entry tool: CachyOS, Omarchy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.boot.kernel_cmdline import content
from vfio_doctor.boot.words import added, removed
from vfio_doctor.facts.base import CannotFix
from vfio_doctor.facts.boot_config import LIMINE_DEFAULT, LIMINE_KEY, limine_words
from vfio_doctor.host.reader import Missing
from vfio_doctor.model import CommandStep, FileStep, Step
from vfio_doctor.parse import shell_assignment as shell

if TYPE_CHECKING:
    from vfio_doctor.boot.backend import ArgumentEdit
    from vfio_doctor.host.reader import Reader

TOOLS = ("limine-update", "limine-mkinitcpio")


class Limine:
    """``KERNEL_CMDLINE[default]`` in `/etc/default/limine`, then limine-update.

    Entries in ``limine.conf`` are made from it; edits there would be lost.
    """

    name = "limine"

    def read(self, host: Reader) -> tuple[str, ...] | Missing:
        """Return the words that the next run of limine-update writes."""
        return limine_words(host)

    def steps(self, host: Reader, edit: ArgumentEdit) -> tuple[Step, ...]:
        """Return the file's edit between two runs of the entry tool (see GRUB)."""
        tool = next((t for t in TOOLS if _installed(host, t)), None)
        before = content(host, LIMINE_DEFAULT)
        if tool is None or before is None:
            raise CannotFix(
                "limine.conf is kept by hand here: put at the end of your entry's "
                f"cmdline: line: {' '.join(added(edit))}"
            )
        text = _text(before)
        for found in reversed(shell.assignments(text, LIMINE_KEY)):
            if found.whole:
                text = shell.edited(text, found, removed(edit), "")
        if added(edit):
            text = _put_in(text, " ".join(added(edit)))
        after = text.encode("utf-8", "surrogateescape")
        return (
            CommandStep((), (tool,), why="make the boot entries from the old file"),
            FileStep(LIMINE_DEFAULT, before, after),
            CommandStep((tool,), why="make the boot entries anew"),
        )


def _put_in(text: str, new: str) -> str:
    found = shell.assignments(text, LIMINE_KEY)
    if found and found[-1].whole:
        return shell.edited(text, found[-1], (), new)
    return shell.appended(text, LIMINE_KEY, new, extend=False)


def _installed(host: Reader, tool: str) -> bool:
    return not isinstance(host.lstat(f"/usr/bin/{tool}"), Missing)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
