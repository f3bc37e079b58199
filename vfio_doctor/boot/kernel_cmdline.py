"""``/etc/kernel/cmdline``: one line of words that kernel-install reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.boot.words import added, removed, take
from vfio_doctor.host.reader import Missing, Why
from vfio_doctor.messages import say
from vfio_doctor.model import FileStep
from vfio_doctor.parse.cmdline import words

if TYPE_CHECKING:
    from vfio_doctor.boot.backend import ArgumentEdit
    from vfio_doctor.host.reader import Reader

CMDLINE = "/etc/kernel/cmdline"
FILE_UNREAD = say("file-unread", "{why}: it is read before it is changed")


def cmdline_step(host: Reader, path: str, edit: ArgumentEdit) -> FileStep | None:
    """Return the edit of a file of words, None where it is not there or is right.

    Raises `CannotFix` where it is there and cannot be read.
    """
    before = content(host, path)
    if before is None:
        return None
    text = before.decode("utf-8", "surrogateescape")
    after = edited_words(text, edit).encode("utf-8", "surrogateescape")
    return FileStep(path, before, after) if after != before else None


def content(host: Reader, path: str) -> bytes | None:
    """Return a file's bytes, None where it is not there.

    Raises `CannotFix` naming the file where it cannot be read.
    """
    data = host.read_bytes(path)
    if isinstance(data, Missing):
        if data.why is Why.ABSENT:
            return None
        from vfio_doctor.facts.base import CannotFix

        raise CannotFix(FILE_UNREAD.filled(why=data.message), data.why)
    return data


def edited_words(text: str, edit: ArgumentEdit) -> str:
    """Return a line of words with the edit made; blanks between words are kept."""
    for word in removed(edit):
        text = _without(text, word)
    present = list(words(text))
    missing = [w for w in added(edit) if not take(present, w)]
    if not missing:
        return text
    return with_words(text, " ".join(missing))


def with_words(text: str, new: str) -> str:
    """Return a line with ``new`` behind its last word, but before a `` -- ``."""
    head, dashes, init = text.partition(" -- ")
    body = head.rstrip("\n")
    gap = "" if not body or body[-1].isspace() else " "
    return f"{body}{gap}{new}{head[len(body) :]}{dashes}{init}"


def _without(text: str, word: str) -> str:
    start = 0
    while (start := text.find(word, start)) >= 0:
        end = start + len(word)
        head_ok = start == 0 or text[start - 1].isspace()
        if head_ok and (end == len(text) or text[end].isspace()):
            while end < len(text) and text[end] in " \t":
                end += 1
            if end == len(text) or text[end] == "\n":
                start = len(text[:start].rstrip(" \t"))
            return text[:start] + text[end:]
        start = end
    return text
