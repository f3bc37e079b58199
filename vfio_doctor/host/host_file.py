"""A capture as one text file, ``NAME.host``: readable, and good to compare.

Every member is a section: a line ``=== name``, then its content. Content that is not
plain ASCII text is written ``escaped`` or in ``base64``, and the line says so. The
whole file is printable ASCII, and each capture has exactly one spelling.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vfio_doctor.host import refusals
from vfio_doctor.host.members import (
    ALL_BYTES,
    MEMBER_BYTES,
    NAME_LENGTH,
    CaptureError,
    Member,
    checked_name,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import BinaryIO

    from vfio_doctor.model import Message

MARK = b"=== "
PLAIN, ESCAPED, BASE64 = "", "escaped", "base64"
# What 32 MiB come to in base64, and the lines that start the sections.
TEXT_BYTES = ALL_BYTES * 3 // 2
# The longest spelling: a quarter of the bytes as ``\xNN``, the others backslashes.
SECTION_BYTES = MEMBER_BYTES * 3
CHUNK = 1 << 20
# Longer content that is mostly not text is not worth reading byte by byte.
READABLE = 256
ODD_AT_MOST = 4
LINE_BYTES = 57
TEXT = bytes([9, 10, *range(32, 127)])
ESCAPES = {n: f"\\x{n:02x}" for n in range(256) if n not in TEXT} | {92: r"\\"}
SPELT = rb"(?:[^\\]++|\\(?:x[0-9a-f]{2}|\\|\n\Z))*+"


def spelt(name: str, held: Mapping[str, bytes]) -> bytes:
    """Return the text of a capture's members; ``name`` is for the refusal.

    Raises `CaptureError` for a text that `members` would not read.
    """
    text = b"".join(_section(each, held[each]) for each in sorted(held, key=_place))
    if len(text) > TEXT_BYTES:
        raise CaptureError(refusals.TOO_LARGE.filled(name=name))
    return text


def members(name: str, head: bytes, file: BinaryIO) -> Iterator[Member]:
    """Yield the members that a text holds, of which ``head`` was read already.

    Raises `CaptureError` for any other text than `spelt` makes of them.
    """
    before = (False, "")
    for section in _sections(name, _whole(name, head, file)):
        member = _member(name, section)
        if _place(member.name) < before:
            raise _refusal(refusals.OUT_OF_ORDER, name, member.name)
        before = _place(member.name)
        yield member


def _sections(name: str, text: bytearray) -> Iterator[bytes]:
    """Yield the sections, each without the mark that starts it."""
    if not (text.startswith(MARK) and text.endswith(b"\n")):
        raise CaptureError(refusals.NO_LINES.filled(name=name))
    start = len(MARK)
    while start:
        mark = text.find(b"\n" + MARK, start)
        end = mark + 1 if mark >= 0 else len(text)
        if end - start > SECTION_BYTES:
            raise CaptureError(refusals.LARGE_SECTION.filled(name=name))
        yield bytes(memoryview(text)[start:end])
        start = end + len(MARK) if mark >= 0 else 0


def _whole(name: str, head: bytes, file: BinaryIO) -> bytearray:
    text = bytearray(head)
    while more := file.read(CHUNK):
        text += more
        if len(text) > TEXT_BYTES:
            raise CaptureError(refusals.TOO_LARGE.filled(name=name))
    return text


def _place(member: str) -> tuple[bool, str]:
    """Return what members are sorted by: the manifest says what all this is."""
    return (member != "manifest.json", member)


def _section(member: str, data: bytes) -> bytes:
    form = _form(data)
    head = f"=== {member} {form}".rstrip(" ").encode("ascii")
    return head + b"\n" + _written(data, form)


def _form(data: bytes) -> str:
    odd = len(data.translate(None, TEXT))
    whole = not data or data.endswith(b"\n")
    if not odd and whole and not data.startswith(MARK) and b"\n=== " not in data:
        return PLAIN
    if len(data) > READABLE and odd > len(data) // ODD_AT_MOST:
        return BASE64
    return ESCAPED


def _written(data: bytes, form: str) -> bytes:
    if form == PLAIN:
        return data
    if form == BASE64:
        import binascii

        rows = (data[n : n + LINE_BYTES] for n in range(0, len(data), LINE_BYTES))
        return b"".join(map(binascii.b2a_base64, rows))
    text = data.decode("latin-1").translate(ESCAPES).encode("ascii")
    # A line must not look like the start of a section.
    text = re.sub(rb"^=(?=== )", rb"\\x3d", text, flags=re.MULTILINE)
    return text if text.endswith(b"\n") else text + b"\\\n"


def _member(name: str, section: bytes) -> Member:
    line = section[: section.find(b"\n")]
    word, _, form = line.decode("latin-1").partition(" ")
    if len(line) > NAME_LENGTH + READABLE or form not in (PLAIN, ESCAPED, BASE64):
        raise _refusal(refusals.ODD_HEAD, name, word)
    member = checked_name(name, word)
    data = _read(section[len(line) + 1 :], form)
    if data is not None and len(data) > MEMBER_BYTES:
        raise _refusal(refusals.LONG_SECTION, name, word, mib=MEMBER_BYTES >> 20)
    if not member or data is None or _section(member, data) != MARK + section:
        raise _refusal(refusals.MISSPELT, name, word)
    return Member(member, data)


def _read(text: bytes, form: str) -> bytes | None:
    """Return what a section's text stands for, None for no such text."""
    if form == BASE64:
        import binascii

        try:
            return binascii.a2b_base64(text)
        except binascii.Error:
            return None
    if form == ESCAPED:
        if not (text.isascii() and re.fullmatch(SPELT, text)):
            return None
        return text.decode("unicode_escape").encode("latin-1")
    return text


def _refusal(said: Message, name: str, member: str, **more: int) -> CaptureError:
    shown = member[:60].encode("unicode_escape").decode("ascii")
    return CaptureError(said.filled(name=name, member=shown, **more))
