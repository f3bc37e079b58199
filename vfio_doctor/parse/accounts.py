"""``passwd`` and ``group`` files, and what ``getent`` prints of them."""

from __future__ import annotations

from vfio_doctor.parse.whole_number import ID_DIGITS, whole
from vfio_doctor.value import NamedTuple


class PasswdLine(NamedTuple):
    """One account of a passwd file."""

    name: str
    uid: int
    gid: int
    home: str


class GroupLine(NamedTuple):
    """One group of a group file with its listed members."""

    name: str
    gid: int
    members: tuple[str, ...]


def parse_passwd(text: str) -> tuple[PasswdLine, ...]:
    """Return the accounts in order; lines that are none are left out (passwd(5))."""
    found: list[PasswdLine] = []
    for line in text.splitlines():
        fields = line.split(":")
        if len(fields) >= 6 and _is_entry(fields[0]):
            uid, gid = whole(fields[2], ID_DIGITS), whole(fields[3], ID_DIGITS)
            if uid is not None and gid is not None:
                found.append(PasswdLine(fields[0], uid, gid, fields[5]))
    return tuple(found)


def parse_group(text: str) -> tuple[GroupLine, ...]:
    """Return the groups in order; lines that are none are left out (group(5))."""
    found: list[GroupLine] = []
    for line in text.splitlines():
        fields = line.split(":")
        gid = whole(fields[2], ID_DIGITS) if len(fields) >= 3 else None
        if gid is not None and _is_entry(fields[0]):
            listed = fields[3] if len(fields) > 3 else ""
            members = tuple(name.strip() for name in listed.split(",") if name.strip())
            found.append(GroupLine(fields[0], gid, members))
    return tuple(found)


def group_members(line: str) -> tuple[str, ...]:
    """Return the members that one line of a group file lists."""
    return tuple(name for one in parse_group(line) for name in one.members)


def with_members(line: str, members: tuple[str, ...]) -> str:
    """Return a line of a group file with these members."""
    name, password, gid = (*line.split(":"), "", "")[:3]
    return f"{name}:{password}:{gid}:{','.join(members)}"


def _is_entry(name: str) -> bool:
    """Tell an account from a comment and from the ``+`` and ``-`` lines of NIS."""
    return bool(name) and name[0] not in "#+- \t"
