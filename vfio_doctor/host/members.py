"""The members of a capture: their names, their limits, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.host import refusals
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.model import Message

MEMBER_BYTES = 8 << 20
ALL_BYTES = 32 << 20
NAME_LENGTH = 1024
DEPTH = 32
SAFE = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+:@,=%-"
)


class CaptureError(ValueError):
    """A capture that cannot be read; the message names the file and the reason."""

    def __init__(self, message: Message) -> None:
        """Take what is said of it."""
        super().__init__(message)
        self.message = message


class Member(NamedTuple):
    """One regular file of a capture, by its relative name."""

    name: str
    data: bytes


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
        said = refusals.BAD_NAME.filled(name=archive, member=plain(name))
        raise CaptureError(said)
    return clean


def plain(name: str) -> str:
    """Return a hostile name as plain ASCII, and little of it."""
    return name[:60].encode("unicode_escape").decode("ascii")
