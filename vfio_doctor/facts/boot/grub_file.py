"""GRUB's own configuration as the shell sees it: what is broken in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.base import MissingFact
from vfio_doctor.facts.boot.config import GRUB_DEFAULT, grub_files
from vfio_doctor.facts.system import OsRelease
from vfio_doctor.host.reader import CONFIG_BYTES, Missing, Why, read_text
from vfio_doctor.messages import say
from vfio_doctor.parse.shell_faults import ShellFault, ShellFaultKind, shell_faults
from vfio_doctor.places import FilePlace
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.model import Message

SHELLS = ("/bin/sh", "/usr/bin/sh")
SAID = {
    ShellFaultKind.OPEN_QUOTE: say(
        "grub-file-open-quote", "the quote after {key}= is not closed"
    ),
    ShellFaultKind.COMMAND: say(
        "grub-file-command",
        "the value of {key} has blanks and no quotes, so the shell takes {word} for a"
        " command and sets nothing",
    ),
    ShellFaultKind.ARGUMENT: say(
        "grub-file-argument",
        "the value of {key} has blanks and no quotes, so it ends before {word}",
    ),
    ShellFaultKind.PLUS: say(
        "grub-file-plus", "dash, which reads this file, does not know += after {key}"
    ),
    ShellFaultKind.BLANK: say(
        "grub-file-blank",
        "there is a blank between {key} and =, so the shell takes {key} for a command"
        " and sets nothing",
    ),
    ShellFaultKind.LINE_END: say(
        "grub-file-line-end",
        "the line ends as in Windows, and the shell takes the carriage return for a"
        " part of the line",
    ),
}


class GrubFile(NamedTuple):
    """Each fault of GRUB's files: the line, why it is one, and its text.

    ``unseen`` is why the main file could not be looked at; `Missing` of a file that
    is not there is none.
    """

    faults: tuple[tuple[FilePlace, Message, str], ...]
    unseen: Missing | None = None

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> GrubFile:
        """Read the files that grub-mkconfig sources, and see which shell does it."""
        for seen in (
            host.lstat(GRUB_DEFAULT),
            read_text(host, GRUB_DEFAULT, CONFIG_BYTES),
        ):
            if isinstance(seen, Missing) and seen.why is not Why.ABSENT:
                return cls((), seen)
        try:
            return cls(tuple(_faults(host, _knows_plus(host, facts))))
        except MissingFact:
            strict, lenient = (tuple(_faults(host, plus)) for plus in (False, True))
            if strict != lenient:
                raise
            return cls(strict)


def _faults(host: Reader, knows_plus: bool) -> Iterator[tuple[FilePlace, Message, str]]:
    """Yield each fault of GRUB's files; raises `MissingFact` if one is unreadable."""
    for path in grub_files(host):
        text = read_text(host, path, CONFIG_BYTES)
        if isinstance(text, Missing):
            if text.why is Why.ABSENT:
                continue
            raise MissingFact(text.message, text.why)
        lines = text.split("\n")
        for fault in shell_faults(text, knows_plus):
            place = FilePlace(path, fault.line)
            yield place, _said(fault), lines[fault.line - 1].strip()


def _said(fault: ShellFault) -> Message:
    said = SAID[fault.kind]
    if fault.kind is ShellFaultKind.LINE_END:
        return said
    if fault.kind in (ShellFaultKind.COMMAND, ShellFaultKind.ARGUMENT):
        return said.filled(key=fault.key, word=fault.word)
    return said.filled(key=fault.key)


def _knows_plus(host: Reader, facts: Facts) -> bool:
    """Tell whether ``/bin/sh`` is a shell with ``+=``: dash is not, bash is."""
    for path in SHELLS:
        target = host.readlink(path)
        if isinstance(target, str):
            return not target.endswith("dash")
    return not facts[OsRelease].is_like("debian", "ubuntu")
