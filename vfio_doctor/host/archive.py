"""The members of a capture, from a folder or a file, as bytes in memory.

A capture comes from a stranger. Nothing is ever extracted to disk; every limit
is checked while reading, before the bytes it forbids are held.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from vfio_doctor.host import refusals
from vfio_doctor.host.host_file import MARK, members
from vfio_doctor.host.members import (
    ALL_BYTES,
    MEMBER_BYTES,
    CaptureError,
    Member,
    checked_name,
    plain,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO


MEMBERS_AT_MOST = 60_000
RATIO_AT_MOST = 400
RATIO_FREE = 4 << 20


def read(path: str) -> dict[str, bytes]:
    """Return the members of the capture at ``path``, a folder or a file.

    Raises `CaptureError`.
    """
    try:
        if os.path.isdir(path):
            return _collected(path, _from_folder(path))
        # Looked at before it is opened: a FIFO would wait, a device might act.
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise CaptureError(refusals.NO_FILE.filled(name=path))
        with open(path, "rb", opener=_open_quietly) as file:
            return read_stream(path, file)
    except CaptureError:
        raise
    except OSError as error:
        why = error.strerror or str(error)
        raise CaptureError(refusals.UNREADABLE.filled(name=path, why=why)) from error
    except ValueError as error:
        said = refusals.NO_PATH.filled(name=plain(path), why=str(error))
        raise CaptureError(said) from error


def _open_quietly(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)


def read_stream(name: str, file: BinaryIO) -> dict[str, bytes]:
    """Return the members of a tar.gz, or a text, that is read from ``file``.

    Raises `CaptureError`.
    """
    import zlib

    from vfio_doctor.host.tar_stream import TarError

    try:
        head = file.read(len(MARK))
        if head == MARK:
            return _collected(name, members(name, head, file))
        return _collected(name, _from_tar(name, head, file))
    except (TarError, zlib.error, OSError) as error:
        why = error.message if isinstance(error, TarError) else str(error)
        raise CaptureError(refusals.NO_TAR.filled(name=name, why=why)) from error


def check(name: str, held: dict[str, bytes]) -> None:
    """Raise `CaptureError` where members are more than `read` would take."""
    _collected(name, (Member(checked_name(name, n), held[n]) for n in held))
    largest = max(held, key=lambda member: len(held[member]))
    if len(held[largest]) > MEMBER_BYTES:
        raise CaptureError(refusals.LARGE_MEMBER.filled(name=name, member=largest))


def _collected(name: str, members: Iterator[Member]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    size = 0
    for member in members:
        size += len(member.data)
        if member.name in found:
            raise CaptureError(refusals.TWICE.filled(name=name, member=member.name))
        if len(found) >= MEMBERS_AT_MOST or size > ALL_BYTES:
            raise CaptureError(refusals.TOO_LARGE.filled(name=name))
        found[member.name] = member.data
    return found


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
                    said = refusals.NO_PLAIN_FILE.filled(name=top, member=name)
                    raise CaptureError(said)


def _file(top: str, name: str) -> bytes:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with open(os.open(f"{top}/{name}", flags), "rb") as file:
        data = file.read(MEMBER_BYTES + 1)
    if len(data) > MEMBER_BYTES:
        mib = MEMBER_BYTES >> 20
        raise CaptureError(refusals.LARGE_FILE.filled(name=top, member=name, mib=mib))
    return data


def _from_tar(name: str, head: bytes, file: BinaryIO) -> Iterator[Member]:
    from vfio_doctor.host import tar_stream

    # Twice for the headers and the padding that small members bring along.
    stream = tar_stream.Unpacked(head, file, 2 * ALL_BYTES, RATIO_AT_MOST, RATIO_FREE)
    stored = tar_stream.members(stream, MEMBER_BYTES)
    for count, (found, data) in enumerate(stored):
        if count >= MEMBERS_AT_MOST:
            many = refusals.TOO_MANY_MEMBERS.filled(name=name, count=MEMBERS_AT_MOST)
            raise CaptureError(many)
        clean = checked_name(name, found)
        if data is not None and not clean:
            raise CaptureError(refusals.NO_NAME.filled(name=name))
        if data is not None:
            yield Member(clean, data)
