"""Kernel arguments through GRUB's own configuration: Debian, Ubuntu, Arch, SUSE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.boot.backend import BootBackend, MenuMaker
from vfio_doctor.boot.kernel_cmdline import content
from vfio_doctor.boot.words import added, refuse_init_part, removed, take
from vfio_doctor.facts.base import CannotFix, Facts
from vfio_doctor.facts.boot.config import (
    GRUB_DEFAULT,
    KEYS,
    assigned_words,
    grub_files,
    grub_words,
)
from vfio_doctor.facts.boot.entries import grub_menu_entry
from vfio_doctor.facts.boot.grub_file import GrubFile
from vfio_doctor.facts.boot.menu import grub_menu_maker
from vfio_doctor.facts.boot.stack import GRUB_MENUS
from vfio_doctor.host.reader import Missing, Why
from vfio_doctor.messages import say
from vfio_doctor.model import CommandStep, FileStep, Step
from vfio_doctor.parse import shell_assignment as shell

if TYPE_CHECKING:
    from vfio_doctor.boot.backend import ArgumentEdit
    from vfio_doctor.host.reader import Reader

NOT_FOUND = say("grub-word-not-found", "{words}: not found in any file GRUB reads")
IN_PARTS = say(
    "grub-word-in-parts",
    "{path}: {word} is in a {key} made of several quoted parts; remove it by hand",
)
NEEDS_SHELL = say(
    "grub-needs-shell",
    "{files}: only a shell can tell what they set; take out by hand: {gone}",
)
BROKEN = say("grub-broken", "{place}: {why}; correct that first")
NO_MENU_TOOL = say(
    "grub-no-menu-tool",
    "neither update-grub nor a grub.cfg was found; edit /etc/default/grub and "
    "regenerate the menu with your distribution's tool",
)
OLD_MENU = say("do-grub-menu-back", "regenerate the boot menu from the old files")
NEW_MENU = say("do-grub-menu", "regenerate the boot menu")


class Grub(BootBackend, MenuMaker):
    """`/etc/default/grub` and its drop-ins, then the menu made anew.

    New words go into ``GRUB_CMDLINE_LINUX_DEFAULT``, which leaves the recovery
    entries as they are: a way back if the next boot fails.
    """

    name = "GRUB"
    commands = (
        ("update-grub",),
        *(("grub2?-mkconfig", "-o", path) for path in GRUB_MENUS),
    )

    def read(self, host: Reader) -> tuple[str, ...] | Missing:
        """Return the words that the next run of update-grub writes.

        Where only a shell can tell them they are those of the menu that it wrote.
        """
        found = grub_words(host)
        if isinstance(found, Missing) and found.why is Why.FAILED:
            made = self.menu(host)
            return found if isinstance(made, Missing) else made
        return found

    def menu(self, host: Reader) -> tuple[str, ...] | Missing:
        """Return the words of grub.cfg's default entry."""
        entry = grub_menu_entry(host)
        return entry if isinstance(entry, Missing) else entry.words

    def steps(self, host: Reader, edit: ArgumentEdit) -> tuple[Step, ...]:
        """Return the file edits between two runs of the menu maker.

        The first run is for undo alone, which walks backwards: the files are
        put back, then the menu is made from them.
        """
        refuse_init_part(edit, self.name)
        for place, why, _ in Facts(host)[GrubFile].faults:
            raise CannotFix(BROKEN.filled(place=str(place), why=why))
        edits = grub_edits(host, edit)
        make_menu = _menu_maker(host)
        return (
            CommandStep((), make_menu, why=OLD_MENU),
            *edits,
            CommandStep(make_menu, why=NEW_MENU),
        )


def grub_edits(host: Reader, edit: ArgumentEdit) -> tuple[FileStep, ...]:
    """Return the edits of the files; they are read again before they are believed."""
    texts = {path: content(host, path) for path in grub_files(host)}
    before = tuple((p, _text(data)) for p, data in texts.items() if data is not None)
    if isinstance(assigned_words(before, KEYS), Missing):
        return _appended(before, edit)
    gone, edits = list(removed(edit)), []
    chosen = _deciding_file(before)
    for path, _ in (*reversed(before), *(() if before else ((GRUB_DEFAULT, ""),))):
        step = file_step(
            host, path, gone, added(edit) if path == chosen else (), KEYS[1]
        )
        edits += [step] if step is not None else []
    if gone:
        raise CannotFix(NOT_FOUND.filled(words=" ".join(gone)))
    now = {step.path: _text(step.after or b"") for step in edits}
    made = assigned_words(tuple((p, now.get(p, old)) for p, old in before), KEYS)
    if isinstance(made, Missing) or sorted(made) != sorted(edit.after):
        return _appended(before, edit)
    return tuple(edits)


def _deciding_file(files: tuple[tuple[str, str], ...]) -> str:
    """Return the last file that sets the variable anew: earlier ones are in vain."""
    chosen = GRUB_DEFAULT
    for path, text in files:
        if any(not found.extends for found in shell.assignments(text, KEYS[1])):
            chosen = path
    return chosen


def _appended(
    files: tuple[tuple[str, str], ...], edit: ArgumentEdit
) -> tuple[FileStep, ...]:
    """Return the edit of settings that only a shell can read: one line at the end.

    It holds whatever the lines before do. Raises `CannotFix` where a word has to
    go.
    """
    path, text = files[-1]
    if removed(edit):
        gone = " ".join(removed(edit))
        raise CannotFix(NEEDS_SHELL.filled(files=tuple(p for p, _ in files), gone=gone))
    after = shell.appended(text, KEYS[1], " ".join(added(edit)), extend=True)
    return (FileStep(path, _bytes(text), _bytes(after)),)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def file_step(
    host: Reader, path: str, gone: list[str], new: tuple[str, ...], key: str
) -> FileStep | None:
    """Return the edit of one file, None where it is not there or nothing changes.

    Each word of ``gone`` is taken out once, the last occurrence first, and is
    then taken off that list. Words of ``new`` that ``key`` has not yet go to its
    last assignment. Raises `CannotFix` where a word to remove stands in a value
    that only a shell can read.
    """
    before = content(host, path)
    if before is None:
        return None
    text = _text(before)
    for each in reversed(KEYS):
        for found in reversed(shell.assignments(text, each)):
            text = _take_out(text, found, gone, path)
    held = [w for f in shell.assignments(text, key) for w in f.words or ()]
    missing = [word for word in new if word not in held]
    if missing:
        text = _put_in(text, key, " ".join(missing))
    after = _bytes(text)
    return FileStep(path, before, after) if after != before else None


def _take_out(text: str, found: shell.Assignment, gone: list[str], path: str) -> str:
    if not found.whole:
        value = text[found.start : found.end]
        for word in gone:
            if word in value:
                raise CannotFix(IN_PARTS.filled(path=path, word=word, key=found.key))
        return text
    here = [p.meaning for p in found.pieces if p.meaning in gone]
    taken = [w for w in here if w is not None and take(gone, w)]
    return shell.edited(text, found, tuple(taken), "") if taken else text


def _put_in(text: str, key: str, new: str) -> str:
    found = shell.assignments(text, key)
    if found and found[-1].whole:
        return shell.edited(text, found[-1], (), new)
    return shell.appended(text, key, new, extend=bool(found))


def _menu_maker(host: Reader) -> tuple[str, ...]:
    found = grub_menu_maker(host)
    if not found:
        raise CannotFix(NO_MENU_TOOL)
    return found


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
