"""Kernel arguments through bootc: a source of our own in the boot entry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.boot.backend import BootBackend
from vfio_doctor.boot.words import added, refuse_init_part, removed
from vfio_doctor.facts.base import CannotFix
from vfio_doctor.facts.boot.entries import (
    STAGED,
    newest_ostree_entry,
    staged_deployment,
)
from vfio_doctor.host.reader import Missing, Why
from vfio_doctor.messages import say
from vfio_doctor.model import CommandStep, Step
from vfio_doctor.parse.cmdline import words
from vfio_doctor.parse.whole_number import whole

if TYPE_CHECKING:
    from vfio_doctor.boot.backend import ArgumentEdit
    from vfio_doctor.host.reader import Reader

SOURCE = "vfio-doctor"
OWNER_KEY = f"x-options-source-{SOURCE}"
CALL = ("bootc", "loader-entries", "set-options-for-source", "--source", SOURCE)
BOOTC_SINCE = (1, 15, 2)
OSTREE_SINCE = (2026, 1)
UNREAD = say(
    "bootc-arguments-unread", "the next boot's arguments cannot be read: {why}"
)
NOT_OURS = say(
    "bootc-argument-not-ours",
    "{word} was set by the image or by another tool, and bootc removes only what "
    "vfio-doctor has set itself; remove it where it was set",
)
SET = say("do-bootc-options", "set vfio-doctor's own kernel arguments")

Words = tuple[str, ...]


class Bootc(BootBackend):
    """``bootc loader-entries set-options-for-source`` (bootc 1.15.2, ostree 2026.1).

    bootc records who set which argument, so undo is our source's former value.
    It cannot take away what another source has set. The boot entry is written at
    shutdown; a call sets a whole source, so to repeat it does no harm.
    """

    name = "bootc"
    commands = (CALL, (*CALL, "--options", ".+"))
    rollback = "bootc rollback"
    shows_staged = False

    def read(self, host: Reader) -> tuple[str, ...] | Missing:
        """Return the words of what boots next: what is staged, else the entry.

        Without ``ostree=``, which ostree adds when it writes the entry.
        """
        found = _following(host)
        if isinstance(found, Missing):
            return found
        return tuple(word for word in found[0] if not word.startswith("ostree="))

    def steps(self, host: Reader, edit: ArgumentEdit) -> tuple[Step, ...]:
        """Return the call that sets our source, and the one that sets it back.

        Raises `CannotFix` where a word has to go that is not ours.
        """
        refuse_init_part(edit, self.name)
        found = _following(host)
        if isinstance(found, Missing):
            raise CannotFix(UNREAD.filled(why=found.message), found.why)
        former = found[1]
        ours = list(former)
        for word in removed(edit):
            if word not in ours:
                raise CannotFix(NOT_OURS.filled(word=word))
            ours.remove(word)
        return (
            CommandStep(
                _call((*ours, *added(edit))),
                _call(former),
                why=SET,
            ),
        )

    def is_pending(self, host: Reader) -> bool:
        """Tell whether a deployment waits for shutdown, its arguments with it."""
        return not isinstance(host.lstat(STAGED), Missing)


def _following(host: Reader) -> tuple[Words, Words] | Missing:
    """Return the next boot's words, and those of our source among them."""
    staged = staged_deployment(host)
    if not isinstance(staged, Missing):
        return staged.words, words(dict(staged.extra).get(OWNER_KEY, ""))
    if staged.why is not Why.ABSENT:
        return staged
    entry = newest_ostree_entry(host)
    if isinstance(entry, Missing):
        return entry
    return words(entry[1].get("options", "")), words(entry[1].get(OWNER_KEY, ""))


def _call(options: tuple[str, ...]) -> tuple[str, ...]:
    return (*CALL, "--options", " ".join(options)) if options else CALL


def usable(host: Reader) -> bool:
    """Tell whether both bootc and ostree are new enough for sources."""
    return (
        version_of(host, ("bootc", "--version")) >= BOOTC_SINCE
        and version_of(host, ("ostree", "--version")) >= OSTREE_SINCE
    )


def version_of(host: Reader, argv: tuple[str, ...]) -> tuple[int, ...]:
    """Return the first dotted number a tool prints, () where it prints none."""
    answer = host.run(argv)
    if isinstance(answer, Missing) or answer.status:
        return ()
    for word in answer.stdout.replace("'", " ").split():
        parts = [whole(part) for part in word.split(".")]
        numbers = tuple(part for part in parts if part is not None)
        if len(numbers) == len(parts) > 1:
            return numbers
    return ()
