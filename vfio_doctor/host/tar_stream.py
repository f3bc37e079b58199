"""Read the plain files of a tar.gz as a stream, and nothing else.

Not the tarfile module: its header parsing takes quadratic time on hostile input
(CVE-2024-6232) and recurses once for each header. A capture needs regular files
and folders, in ustar, with GNU or pax long names; all the rest is refused.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from vfio_doctor.host import refusals

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from vfio_doctor.model import Message

BLOCK = 512
CHUNK = 1 << 16
FILE_TYPES, FOLDER = (b"0", b"\0"), b"5"
LONG_NAME, PAX, PAX_FOR_ALL = b"L", b"x", b"g"
HEADERS = (LONG_NAME, PAX, PAX_FOR_ALL)
LONG_BYTES = 8192
# A pax record that changes where or how much is read would need another reader.
PAX_REFUSED = ("size", "GNU.sparse", "linkpath", "hdrcharset", "SCHILY.realsize")


class TarError(ValueError):
    """What the stream holds is not a tar.gz that this module reads."""

    def __init__(self, message: Message) -> None:
        """Take what is said of it."""
        super().__init__(message)
        self.message = message


class Unpacked:
    """The bytes inside one gzip member, within limits.

    ``most`` bounds what comes out; ``ratio`` bounds output to input once more
    than ``free`` bytes came out.
    """

    def __init__(
        self, head: bytes, file: BinaryIO, most: int, ratio: int, free: int
    ) -> None:
        """Take a binary file that holds gzip, and what was read of it already."""
        self._file = file
        self._most, self._ratio, self._free = most, ratio, free
        self._inflate = zlib.decompressobj(wbits=31)
        self._waiting = head
        self._ready = bytearray()
        self._taken, self._given = len(head), 0

    def read(self, size: int) -> bytes:
        """Return exactly ``size`` bytes, fewer only at the end of the stream.

        Raises `TarError` past a limit or for a stream that was cut off.
        """
        while len(self._ready) < size and not self._inflate.eof:
            self._fill()
        data = bytes(self._ready[:size])
        del self._ready[:size]
        return data

    def finish(self) -> None:
        """Read to the end: the checksum holds, only zeroes follow, nothing after."""
        while data := self.read(CHUNK):
            if data.count(0) != len(data):
                raise TarError(refusals.BEHIND_ARCHIVE)
        if self._inflate.unused_data or self._file.read(1):
            raise TarError(refusals.BEHIND_DATA)

    def _fill(self) -> None:
        if not self._waiting:
            self._waiting = self._file.read(CHUNK)
            self._taken += len(self._waiting)
            if not self._waiting:
                raise TarError(refusals.TOO_EARLY)
        out = self._inflate.decompress(self._waiting, CHUNK)
        self._waiting = self._inflate.unconsumed_tail
        self._given += len(out)
        self._ready += out
        if max(self._given, self._taken) > self._most or (
            self._given > max(self._free, self._taken * self._ratio)
        ):
            raise TarError(refusals.UNPACKS_LARGE)


def members(stream: Unpacked, member_bytes: int) -> Iterator[tuple[str, bytes | None]]:
    """Yield (name, content) in order; a folder has no content.

    Raises `TarError` for anything but files and folders, for a file of more than
    ``member_bytes`` and for a damaged archive, and zlib.error for damaged gzip.
    """
    long_name = ""
    while (block := stream.read(BLOCK)).count(0) != len(block):
        _check(block)
        size, kind = _octal(block[124:136]), block[156:157]
        if size > (LONG_BYTES if kind in HEADERS else member_bytes):
            raise TarError(refusals.LARGE_IN_TAR.filled(size=size))
        if kind in HEADERS:
            if long_name:
                raise TarError(refusals.TWO_NAMES)
            long_name = _long_name(kind, _content(stream, size))
            continue
        name, long_name = long_name or _name(block), ""
        if kind not in (*FILE_TYPES, FOLDER) or (kind == FOLDER and size):
            raise TarError(refusals.NOT_PLAIN.filled(member=_shown(name)))
        yield name, None if kind == FOLDER else _content(stream, size)
    if len(block) != BLOCK or long_name:
        raise TarError(refusals.NO_END)
    stream.finish()


def _check(block: bytes) -> None:
    blanked = sum(block) - sum(block[148:156]) + 8 * 0x20
    if len(block) != BLOCK or _octal(block[148:156]) != blanked:
        raise TarError(refusals.BAD_HEADER)


def _octal(field: bytes) -> int:
    text = field.strip(b" \0")
    if text.strip(b"01234567"):
        raise TarError(refusals.NOT_OCTAL)
    return int(text or b"0", 8)


def _content(stream: Unpacked, size: int) -> bytes:
    data = stream.read(size)
    stream.read(-size % BLOCK)
    if len(data) != size:
        raise TarError(refusals.CUT_MEMBER)
    return data


def _name(block: bytes) -> str:
    name, prefix = block[:100].split(b"\0")[0], block[345:500].split(b"\0")[0]
    posix = block[257:263] == b"ustar\0"
    return _text(prefix + b"/" + name if posix and prefix else name)


def _long_name(kind: bytes, data: bytes) -> str:
    """Return the name that a header brings for the next member, "" for none."""
    if kind == LONG_NAME:
        return _text(data.removesuffix(b"\0"))
    name = ""
    while data:
        number, _, _ = data[:8].partition(b" ")
        length = int(number) if number.isdigit() else 0
        record = data[len(number) + 1 : length]
        key, found, value = record[:-1].partition(b"=")
        if not (found and record.endswith(b"\n") and length <= len(data)):
            raise TarError(refusals.BAD_PAX)
        if _text(key).startswith(PAX_REFUSED) or (kind, key) == (PAX_FOR_ALL, b"path"):
            raise TarError(refusals.CHANGING_PAX)
        name = _text(value) if key == b"path" else name
        data = data[length:]
    return name


def _text(data: bytes) -> str:
    return data.decode("ascii", "backslashreplace")


def _shown(name: str) -> str:
    return name[:60].encode("unicode_escape").decode()
