"""The members of a capture, from a folder or a tar.gz, as bytes in memory.

A capture comes from a stranger. Nothing is ever extracted to disk; every limit
is checked while reading, before the bytes it forbids are held.
"""

from __future__ import annotations

import io
import os
import stat
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

MEMBERS_AT_MOST = 100_000
MEMBER_BYTES = 8 << 20
ALL_BYTES = 48 << 20
RATIO_AT_MOST = 400
RATIO_FREE = 4 << 20
NAME_LENGTH = 1024
DEPTH = 32
CHUNK = 1 << 16
SAFE = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+:@,=%-"
)


class CaptureError(ValueError):
    """A capture that cannot be read; the text names the file and the reason."""


class Member(NamedTuple):
    """One regular file of a capture, by its relative name."""

    name: str
    data: bytes


def read(path: str) -> dict[str, bytes]:
    """Return the members of the capture at ``path``, a folder or a tar.gz.

    Raises `CaptureError`.
    """
    try:
        if os.path.isdir(path):
            return _collected(path, _from_folder(path))
        with open(path, "rb", opener=_open_quietly) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise CaptureError(f"{path}: neither a folder nor a file")
            return read_stream(path, file)
    except OSError as error:
        raise CaptureError(f"{path}: {error.strerror or error}") from error


def _open_quietly(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)


def read_stream(name: str, file: BinaryIO) -> dict[str, bytes]:
    """Return the members of a tar.gz that is read from ``file``."""
    import tarfile
    import zlib

    broken = (tarfile.TarError, EOFError, zlib.error, OSError, UnicodeError)
    try:
        return _collected(name, _from_tar(name, file))
    except (*broken, ValueError, OverflowError, MemoryError) as error:
        if isinstance(error, CaptureError):
            raise
        raise CaptureError(
            f"{name}: not a whole tar.gz ({type(error).__name__}: {error}); "
            "ask for the file to be attached again"
        ) from error


def _collected(name: str, members: Iterator[Member]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    size = 0
    for member in members:
        size += len(member.data)
        if member.name in found:
            raise CaptureError(f"{name}: {member.name} is in it twice")
        if len(found) >= MEMBERS_AT_MOST or size > ALL_BYTES:
            raise CaptureError(f"{name}: larger than any capture")
        found[member.name] = member.data
    return found


def checked_name(archive: str, name: str) -> str:
    """Return a member's name without a leading ``./``; raise for a hostile one."""
    clean = name.removeprefix("./").rstrip("/")
    parts = clean.split("/")
    hostile = (
        len(name) > NAME_LENGTH
        or len(parts) > DEPTH
        or any(part in ("", ".", "..") or not SAFE.issuperset(part) for part in parts)
    )
    if hostile and clean not in ("", "."):
        shown = name[:60].encode("ascii", "backslashreplace").decode()
        raise CaptureError(
            f"{archive}: a member has a name that is not allowed: {shown}"
        )
    return clean


def _from_folder(top: str) -> Iterator[Member]:
    waiting = [""]
    while waiting:
        here = waiting.pop()
        with os.scandir(f"{top}/{here}") as entries:
            for entry in sorted(entries, key=lambda e: e.name):
                name = checked_name(top, f"{here}/{entry.name}".lstrip("/"))
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(name)
                elif entry.is_file(follow_symlinks=False):
                    yield Member(name, _file(top, name))
                else:
                    raise CaptureError(f"{top}: {name} is neither file nor folder")


def _file(top: str, name: str) -> bytes:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with open(os.open(f"{top}/{name}", flags), "rb") as file:
        data = file.read(MEMBER_BYTES + 1)
    if len(data) > MEMBER_BYTES:
        raise CaptureError(f"{top}: {name} is larger than {MEMBER_BYTES >> 20} MiB")
    return data


def _from_tar(name: str, file: BinaryIO) -> Iterator[Member]:
    import tarfile

    stream = Bounded(name, file)
    with tarfile.open(
        fileobj=stream,  # type: ignore[call-overload]
        mode="r|",
        bufsize=CHUNK,
        encoding="utf-8",
        errors="surrogateescape",
    ) as archive:
        count = 0
        for info in archive:
            count += 1
            if count > MEMBERS_AT_MOST:
                raise CaptureError(f"{name}: more than {MEMBERS_AT_MOST} members")
            if info.name.startswith("/"):
                raise CaptureError(f"{name}: a member has an absolute name")
            clean = checked_name(name, info.name)
            if info.isdir():
                continue
            if info.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or info.issparse():
                raise CaptureError(f"{name}: {clean} is not a plain file")
            if info.size > MEMBER_BYTES:
                raise CaptureError(f"{name}: {clean} is larger than any captured file")
            held = archive.extractfile(info)
            data = held.read(info.size + 1) if held else b""
            if len(data) != info.size:
                raise EOFError("a member ends early")
            yield Member(clean, data)


class Bounded:
    """A decompressing reader that stops where a bomb would go on."""

    def __init__(self, name: str, file: BinaryIO) -> None:
        """Wrap a file that holds gzip; nothing is read yet."""
        import gzip

        self._name = name
        self._raw = _Counted(file)
        self._plain = gzip.GzipFile(fileobj=self._raw, mode="rb")
        self._given = 0

    def read(self, size: int) -> bytes:
        """Return at most ``size`` bytes; raises `CaptureError` past a limit."""
        data = self._plain.read(min(size, CHUNK))
        self._given += len(data)
        ratio = self._given / max(self._raw.taken, 1)
        if self._given > ALL_BYTES + RATIO_FREE or (
            self._given > RATIO_FREE and ratio > RATIO_AT_MOST
        ):
            raise CaptureError(
                f"{self._name}: unpacks to far more than a capture holds"
            )
        return data


class _Counted(io.BufferedIOBase):
    """A file that counts what is taken from it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.taken = 0

    def read(self, size: int | None = -1) -> bytes:
        data = self._file.read(size if size and 0 < size <= CHUNK else CHUNK)
        self.taken += len(data)
        return data
