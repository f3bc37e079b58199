"""Ask the boot tool what it has now: its exit status alone proves nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.boot.backend import ArgumentEdit, MenuMaker
from vfio_doctor.boot.words import added, removed, staying
from vfio_doctor.host.reader import Missing
from vfio_doctor.messages import say
from vfio_doctor.repair.syscalls import StepFailed

if TYPE_CHECKING:
    from vfio_doctor.model import Message
    from vfio_doctor.repair.journal_lines import Beginning
    from vfio_doctor.repair.target import Machine

MENU_GONE = say(
    "menu-gone",
    "the boot menu could be read before it was regenerated, and cannot be now: {why}",
)
NO_TOOL = say(
    "read-back-no-tool", "there is no boot tool to read the kernel arguments back"
)
WORDS_UNREAD = say(
    "read-back-failed", "the kernel arguments cannot be read back: {why}"
)
OTHER_WORDS = say(
    "read-back-differs",
    "{tool} says it is done, but the next boot's arguments are: {arguments}",
)
WORDS_STAY = say(
    "undo-words-stay",
    "an entry that was made since, which {tool} boots, still has {words}; take that"
    " out of it by hand",
)
MENU_LACKS = say(
    "menu-lacks",
    "the boot menu was regenerated, but its default entry lacks {lacks}",
)
MENU_KEEPS = say(
    "menu-keeps",
    "the boot menu was regenerated, but its default entry still has {keeps}",
)
MENU_BOTH = say(
    "menu-lacks-and-keeps",
    "the boot menu was regenerated, but its default entry lacks {lacks} "
    "and still has {keeps}",
)


def read_back(machine: Machine, beginning: Beginning) -> None:
    """Raise `StepFailed` if the next boot's words are not those of the plan.

    A tool that has staged something may not show it yet.
    """
    why = difference(machine, beginning)
    if why is not None:
        backend = machine.backend
        if backend is None or not backend.is_pending(machine.host):
            raise StepFailed(why)


def difference(machine: Machine, beginning: Beginning) -> Message | None:
    """Return what the boot tool and its menu have else than planned, None if nothing.

    The order of the words does not matter.
    """
    backend = machine.backend
    if backend is None:
        return NO_TOOL
    now = backend.read(machine.host)
    if isinstance(now, Missing):
        return WORDS_UNREAD.filled(why=now.message)
    if sorted(now) != sorted(beginning.after):
        return OTHER_WORDS.filled(tool=backend.name, arguments=" ".join(now))
    if isinstance(backend, MenuMaker):
        lacks = menu_lacks(backend.menu(machine.host), beginning.edit)
        return menu_gone(machine, beginning) or lacks
    return None


def words_stay(machine: Machine, beginning: Beginning) -> Message | None:
    """Return which of a run's words the next boot gets though the run was undone.

    A kernel that was installed since has an entry of its own, made from the words of
    that time.
    """
    backend = machine.backend
    if backend is None or not backend.shows_staged:
        return None
    now = backend.read(machine.host)
    if isinstance(now, Missing):
        return None
    words = staying(ArgumentEdit(beginning.after, beginning.before), now)
    return WORDS_STAY.filled(tool=backend.name, words=words) if words else None


def menu_gone(machine: Machine, beginning: Beginning) -> Message | None:
    """Return why the menu that could be read before cannot be read now."""
    tool = machine.backend
    if not beginning.menu or not isinstance(tool, MenuMaker):
        return None
    made = tool.menu(machine.host)
    return MENU_GONE.filled(why=made.message) if isinstance(made, Missing) else None


def menu_lacks(made: tuple[str, ...] | Missing, edit: ArgumentEdit) -> Message | None:
    """Return what the menu that was made lacks of an edit, None if nothing.

    A menu that cannot be read, as one with conditions of its own, tells nothing.
    """
    if isinstance(made, Missing):
        return None
    # Words behind -- are for init.
    end = made.index("--") if "--" in made else len(made)
    kernel = made[:end]
    lacks = " ".join(word for word in added(edit) if word not in kernel)
    keeps = " ".join(w for w in removed(edit) if w in kernel and w not in edit.after)
    if lacks and keeps:
        return MENU_BOTH.filled(lacks=lacks, keeps=keeps)
    if lacks:
        return MENU_LACKS.filled(lacks=lacks)
    return MENU_KEEPS.filled(keeps=keeps) if keeps else None
