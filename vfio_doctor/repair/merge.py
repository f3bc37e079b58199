"""Bring the wishes of several fixes together: one change a thing, or a refusal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.base import CannotFix
from vfio_doctor.messages import say
from vfio_doctor.model import (
    DeleteFile,
    EditLine,
    KernelArguments,
    RuntimeParameter,
    WriteFile,
)
from vfio_doctor.parse.cmdline import ACCUMULATING, argument, plain, words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from vfio_doctor.model import Change, Message

FileChange = WriteFile | EditLine | DeleteFile


NOT_A_WORD = say(
    "argument-not-a-word", "'{word}' is not one word of a kernel command line"
)
TWO_LINES = say("edit-of-two-lines", "{path}: the line to edit contains a line end")
NO_LINE = say("edit-of-no-line", "{path}: neither an old line nor a new one")
LINE_GONE = say("edit-line-gone", "{path} does not contain the line '{line}'")
TWO_VALUES = say("clash-two-values", "{path}: {one} and {other}")
ONE_LINE = say("clash-one-line", "{path}: two wishes for one line")
ONE_FILE = say("clash-one-file", "{path}: two wishes for one file")
SET_AND_OUT = say("clash-set-and-removed", "{word}: set and removed")
SET_AND_EDITED = say("clash-set-and-edited", "{word}: set, and edited inside")
TWO_WORDS = say("clash-two-words", "{one} and {other}")
IN_AND_OUT = say("clash-item-in-and-out", "{key}: {item} added and removed")


def contradiction(ours: Iterable[Change], theirs: Iterable[Change]) -> Message | None:
    """Return what two fixes want that cannot both be, None if all can."""
    mine = list(ours)
    for other in theirs:
        for one in mine:
            why = _clash(one, other)
            if why is not None:
                return why
    return None


def _clash(one: Change, other: Change) -> Message | None:
    if one == other:
        return None
    if isinstance(one, KernelArguments) and isinstance(other, KernelArguments):
        return _clash_of_arguments(one, other)
    if isinstance(one, RuntimeParameter) and isinstance(other, RuntimeParameter):
        same = one.path == other.path
        values = {"path": one.path, "one": one.value, "other": other.value}
        return TWO_VALUES.filled(**values) if same else None
    if isinstance(one, FileChange) and isinstance(other, FileChange):
        return _clash_of_files(one, other)
    return None


def _clash_of_files(one: FileChange, other: FileChange) -> Message | None:
    if one.path != other.path:
        return None
    if isinstance(one, EditLine) and isinstance(other, EditLine):
        same_line = bool(one.old) and one.old == other.old
        return ONE_LINE.filled(path=one.path) if same_line else None
    if isinstance(one, DeleteFile) and isinstance(other, DeleteFile):
        return None
    return ONE_FILE.filled(path=one.path)


def _clash_of_arguments(one: KernelArguments, other: KernelArguments) -> Message | None:
    for a, b in ((one, other), (other, one)):
        for word in a.set_:
            key = plain(argument(word).key)
            if word in b.remove:
                return SET_AND_OUT.filled(word=word)
            if key in {plain(k) for k, _ in (*b.add_items, *b.remove_items)}:
                return SET_AND_EDITED.filled(word=word)
            rivals = [w for w in b.set_ if plain(argument(w).key) == key and w != word]
            if rivals and key not in ACCUMULATING:
                return TWO_WORDS.filled(one=word, other=rivals[0])
        for pair in a.add_items:
            if pair in b.remove_items:
                return IN_AND_OUT.filled(key=pair[0], item=pair[1])
    return None


def merged_arguments(changes: Iterable[KernelArguments]) -> KernelArguments:
    """Return one change that asks for all; raise `CannotFix` for a broken word."""
    every = list(changes)
    given = [w for c in every for w in (*c.set_, *c.remove)]
    pairs = [p for c in every for p in (*c.add_items, *c.remove_items)]
    for word in (*given, *(f"{key}={item}" for key, item in pairs)):
        whole = words(word) == (word,) and word.isprintable()
        if not whole or word == "--" or word.startswith("="):
            raise CannotFix(NOT_A_WORD.filled(word=word))
    return KernelArguments(
        tuple(dict.fromkeys(w for c in every for w in c.set_)),
        tuple(dict.fromkeys(w for c in every for w in c.remove)),
        tuple(dict.fromkeys(p for c in every for p in c.add_items)),
        tuple(dict.fromkeys(p for c in every for p in c.remove_items)),
    )


def composed(before: bytes | None, changes: Iterable[FileChange]) -> bytes | None:
    """Return a file's content with all changes made; None stands for no file.

    Raises `CannotFix` where a line to be replaced is not there.
    """
    content = before
    for change in dict.fromkeys(changes):
        if isinstance(change, DeleteFile):
            content = None
        elif isinstance(change, WriteFile):
            content = change.text.encode("utf-8", "surrogateescape")
        else:
            content = _edited(content, change)
    return content


def _edited(content: bytes | None, change: EditLine) -> bytes:
    for text in (change.old, change.new or ""):
        if "\n" in text or "\0" in text:
            raise CannotFix(TWO_LINES.filled(path=change.path))
    text = (content or b"").decode("utf-8", "surrogateescape")
    lines = _by_newline(text)
    bare = [_without_end(line) for line in lines]
    if not change.old:
        if change.new is None:
            raise CannotFix(NO_LINE.filled(path=change.path))
        gap = "" if not text or text.endswith("\n") else "\n"
        more = "" if change.new in bare else f"{gap}{change.new}\n"
        return (text + more).encode("utf-8", "surrogateescape")
    if change.old not in bare:
        if change.new in bare:
            return content or b""
        raise CannotFix(LINE_GONE.filled(path=change.path, line=change.old))
    new = "".join(_replaced(lines, change.old, change.new))
    return new.encode("utf-8", "surrogateescape")


def _replaced(lines: list[str], old: str, new: str | None) -> Iterator[str]:
    for line in lines:
        bare = _without_end(line)
        if bare != old:
            yield line
        elif new is not None:
            yield new + line[len(bare) :]


def _by_newline(text: str) -> list[str]:
    parts = text.split("\n")
    return [f"{part}\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


def _without_end(line: str) -> str:
    return line.removesuffix("\n").removesuffix("\r")
