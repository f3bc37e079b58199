"""Unified kernel images: what to write so that the next build has the arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.boot.backend import BootBackend
from vfio_doctor.boot.words import added, removed
from vfio_doctor.facts.base import CannotFix
from vfio_doctor.facts.boot.config import KERNEL_CMDLINE, kernel_cmdline
from vfio_doctor.host.reader import Missing, Why, read_text
from vfio_doctor.messages import say
from vfio_doctor.parse.cmdline import words

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vfio_doctor.boot.backend import ArgumentEdit
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.model import Message, Step

OWN_FILE = "/etc/cmdline.d/vfio-doctor.conf"
REBUILD = say(
    "sealed-rebuild",
    "Then rebuild the image (`sudo mkinitcpio -P`, `sudo dracut --regenerate-all "
    "--force` or `sudo kernel-install add-all`); on an image-based system that is "
    "done in the image's build.",
)
SEALED_ADD = say(
    "sealed-add-line",
    "the arguments are sealed into the kernel image. Write this one line to {path}: "
    "{new} -- {rebuild}",
)
SEALED_APPEND = say(
    "sealed-append",
    "the arguments are sealed into the kernel image. Append to the line in {path}: "
    "{new} -- {rebuild}",
)
SEALED_WHOLE = say(
    "sealed-whole-line",
    "the arguments are sealed into the kernel image, and no file with them was found. "
    "Write this one line to {path}: {line} -- {rebuild}",
)
SEALED_GO = say(
    "sealed-remove",
    "the arguments are sealed into the kernel image. Take out of {path}: {gone} -- "
    "{rebuild}",
)
SEALED_THERE = say(
    "sealed-there-already",
    "the arguments are sealed into the kernel image. {path} has these already: {new} --"
    " {rebuild}",
)
SEALED_BOTH = say(
    "sealed-add-and-remove",
    "the arguments are sealed into the kernel image. Take out of {path}: {gone} -- "
    "and append there: {new} -- {rebuild}",
)


class SealedImage(BootBackend):
    """A unified kernel image: its arguments are sealed into the file."""

    name = "unified kernel image"

    def read(self, host: Reader) -> tuple[str, ...] | Missing:
        """Return the running kernel's words, which the image holds."""
        return running_words(host)

    def steps(self, host: Reader, edit: ArgumentEdit) -> tuple[Step, ...]:
        """Raise `CannotFix` with the exact line and the file it belongs in."""
        raise CannotFix(sealed_advice(host, edit))


def sealed_advice(host: Reader, edit: ArgumentEdit) -> Message:
    """Return what to write by hand, in the words of the tool that builds images."""
    new, gone = " ".join(added(edit)), " ".join(removed(edit))
    found, paths = kernel_cmdline(host)
    if not paths or (isinstance(found, Missing) and found.why is Why.ABSENT):
        line = " ".join(edit.after)
        return SEALED_WHOLE.filled(path=KERNEL_CMDLINE, line=line, rebuild=REBUILD)
    if new and not gone and _holds(found, added(edit)):
        return SEALED_THERE.filled(path=paths, new=new, rebuild=REBUILD)
    if gone:
        text = SEALED_BOTH if new else SEALED_GO
        named = {"new": new} if new else {}
        return text.filled(path=paths, gone=gone, **named, rebuild=REBUILD)
    if paths == (KERNEL_CMDLINE,):
        return SEALED_APPEND.filled(path=KERNEL_CMDLINE, new=new, rebuild=REBUILD)
    return SEALED_ADD.filled(path=OWN_FILE, new=new, rebuild=REBUILD)


def _holds(found: tuple[str, ...] | Missing, new: Iterable[str]) -> bool:
    return not isinstance(found, Missing) and set(new) <= set(found)


def running_words(host: Reader) -> tuple[str, ...] | Missing:
    """Return the words of the running kernel's command line."""
    text = read_text(host, "/proc/cmdline")
    return words(text) if isinstance(text, str) else text
