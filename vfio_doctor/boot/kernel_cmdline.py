"""``/etc/kernel/cmdline``: one line of words that kernel-install reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.boot.words import added, removed, take
from vfio_doctor.host.reader import CONFIG_BYTES, Missing, Why
from vfio_doctor.messages import say
from vfio_doctor.model import FileStep
from vfio_doctor.parse.cmdline import end_of_kernel, spans, words

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
    data = host.read_bytes(path, CONFIG_BYTES)
    if isinstance(data, Missing):
        if data.why is Why.ABSENT:
            return None
        from vfio_doctor.facts.base import CannotFix

        raise CannotFix(FILE_UNREAD.filled(why=data.message), data.why)
    return data


def edited_words(text: str, edit: ArgumentEdit) -> str:
    """Return a line of words with the edit made; blanks between words are kept."""
    gone = list(removed(edit))
    text = without_words(text, gone)
    present = list(words(text))
    missing = [w for w in added(edit) if not take(present, w)]
    return with_words(text, " ".join(missing)) if missing else text


def with_words(text: str, new: str) -> str:
    """Return a line with ``new`` behind its last word, but before a ``--``."""
    places = list(spans(text))
    cut = end_of_kernel(words(text))
    if cut < len(places):
        at = places[cut][0]
        return f"{text[:at]}{new} {text[at:]}"
    body = text.rstrip("\r\n")
    gap = "" if not body or body[-1].isspace() else " "
    return f"{body}{gap}{new}{text[len(body) :]}"


def without_words(text: str, gone: list[str]) -> str:
    """Return a line without some words before ``--``; what goes leaves ``gone``.

    The blanks behind a word go with it, those before the last one.
    """
    places = list(spans(text))
    for start, end in reversed(places[: end_of_kernel(words(text))]):
        if take(gone, text[start:end]):
            while end < len(text) and text[end] in " \t":
                end += 1
            if end == len(text) or text[end] in "\r\n":
                start = len(text[:start].rstrip(" \t"))
            text = text[:start] + text[end:]
    return text
