"""Bring the wishes of several fixes together: one change a thing, or a refusal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.base import CannotFix
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

    from vfio_doctor.model import Change

FileChange = WriteFile | EditLine | DeleteFile


def contradiction(ours: Iterable[Change], theirs: Iterable[Change]) -> str:
    """Return what two fixes want that cannot both be, "" where all can."""
    mine = list(ours)
    for other in theirs:
        for one in mine:
            why = _clash(one, other)
            if why:
                return why
    return ""


def _clash(one: Change, other: Change) -> str:
    if one == other:
        return ""
    if isinstance(one, KernelArguments) and isinstance(other, KernelArguments):
        return _clash_of_arguments(one, other)
    if isinstance(one, RuntimeParameter) and isinstance(other, RuntimeParameter):
        same = one.path == other.path
        return f"{one.path}: {one.value} and {other.value}" if same else ""
    if isinstance(one, FileChange) and isinstance(other, FileChange):
        return _clash_of_files(one, other)
    return ""


def _clash_of_files(one: FileChange, other: FileChange) -> str:
    if one.path != other.path:
        return ""
    if isinstance(one, EditLine) and isinstance(other, EditLine):
        same_line = bool(one.old) and one.old == other.old
        return f"{one.path}: two wishes for one line" if same_line else ""
    if isinstance(one, DeleteFile) and isinstance(other, DeleteFile):
        return ""
    return f"{one.path}: two wishes for one file"


def _clash_of_arguments(one: KernelArguments, other: KernelArguments) -> str:
    for a, b in ((one, other), (other, one)):
        for word in a.set_:
            key = plain(argument(word).key)
            if word in b.remove:
                return f"{word}: set and taken out"
            if key in {plain(k) for k, _ in (*b.add_items, *b.remove_items)}:
                return f"{word}: set, and edited inside"
            rivals = [w for w in b.set_ if plain(argument(w).key) == key and w != word]
            if rivals and key not in ACCUMULATING:
                return f"{word} and {rivals[0]}"
        for pair in a.add_items:
            if pair in b.remove_items:
                return f"{pair[0]}: {pair[1]} added and taken out"
    return ""


def merged_arguments(changes: Iterable[KernelArguments]) -> KernelArguments:
    """Return one change that asks for all; raise `CannotFix` for a broken word."""
    every = list(changes)
    given = [w for c in every for w in (*c.set_, *c.remove)]
    pairs = [p for c in every for p in (*c.add_items, *c.remove_items)]
    for word in (*given, *(f"{key}={item}" for key, item in pairs)):
        whole = words(word) == (word,) and word.isprintable()
        if not whole or word == "--" or word.startswith("="):
            raise CannotFix(f"{word!r} is not one word of a kernel command line")
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
            raise CannotFix(f"{change.path}: the line to edit holds a line end")
    text = (content or b"").decode("utf-8", "surrogateescape")
    lines = _by_newline(text)
    bare = [_without_end(line) for line in lines]
    if not change.old:
        if change.new is None:
            raise CannotFix(f"{change.path}: neither an old line nor a new one")
        gap = "" if not text or text.endswith("\n") else "\n"
        more = "" if change.new in bare else f"{gap}{change.new}\n"
        return (text + more).encode("utf-8", "surrogateescape")
    if change.old not in bare:
        if change.new in bare:
            return content or b""
        raise CannotFix(f"{change.path} does not hold the line {change.old!r}")
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
