"""Kernel arguments for Limine with the entry tool: CachyOS, Omarchy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.boot.kernel_cmdline import content
from vfio_doctor.boot.words import added, removed
from vfio_doctor.facts.base import CannotFix
from vfio_doctor.host.reader import Missing, Why
from vfio_doctor.model import CommandStep, FileStep, Step
from vfio_doctor.parse import shell_assignment as shell

if TYPE_CHECKING:
    from vfio_doctor.boot.backend import ArgumentEdit
    from vfio_doctor.host.reader import Reader

DEFAULT = "/etc/default/limine"
KEY = "KERNEL_CMDLINE[default]"
TOOLS = ("limine-update", "limine-mkinitcpio")


class Limine:
    """``KERNEL_CMDLINE[default]`` in `/etc/default/limine`, then limine-update.

    Entries in ``limine.conf`` are made from it; edits there would be lost.
    """

    name = "limine"

    def read(self, host: Reader) -> tuple[str, ...] | Missing:
        """Return the words that the next run of limine-update writes."""
        data = host.read_bytes(DEFAULT)
        if isinstance(data, Missing):
            return data
        words: list[str] = []
        for found in shell.assignments(_text(data), KEY):
            if found.words is None:
                return Missing(DEFAULT, Why.FAILED, f"only a shell can read {KEY}")
            words = [*(words if found.operator == "+=" else []), *found.words]
        return tuple(words)

    def steps(self, host: Reader, edit: ArgumentEdit) -> tuple[Step, ...]:
        """Return the file's edit between two runs of the entry tool (see GRUB)."""
        tool = next((t for t in TOOLS if _installed(host, t)), None)
        before = content(host, DEFAULT)
        if tool is None or before is None:
            raise CannotFix(
                "limine.conf is kept by hand here: put at the end of your entry's "
                f"cmdline: line: {' '.join(added(edit))}"
            )
        text = _text(before)
        for found in reversed(shell.assignments(text, KEY)):
            if found.whole:
                text = shell.edited(text, found, removed(edit), "")
        if added(edit):
            text = _put_in(text, " ".join(added(edit)))
        after = text.encode("utf-8", "surrogateescape")
        return (
            CommandStep((), (tool,), why="make the boot entries from the old file"),
            FileStep(DEFAULT, before, after),
            CommandStep((tool,), why="make the boot entries anew"),
        )


def _put_in(text: str, new: str) -> str:
    found = shell.assignments(text, KEY)
    if found and found[-1].whole:
        return shell.edited(text, found[-1], (), new)
    return shell.appended(text, KEY, new, extend=False)


def _installed(host: Reader, tool: str) -> bool:
    return not isinstance(host.lstat(f"/usr/bin/{tool}"), Missing)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
