"""Members of a group: the line of /etc/group that has one more of them, or one less.

Image-based hosts keep system groups in /usr/lib/group, where `usermod` finds none: the
line has to stand in /etc/group first (nss-altfiles).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.accounts import GROUP_FILES, Accounts, HumanUser
from vfio_doctor.facts.base import known
from vfio_doctor.host.reader import read_text
from vfio_doctor.model import EditLine
from vfio_doctor.parse.accounts import group_members, with_members

if TYPE_CHECKING:
    from vfio_doctor.facts.accounts import Group
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader

GROUP_FILE = GROUP_FILES[0]


def joining(group: str, host: Reader, facts: Facts) -> EditLine | None:
    """Return what makes the person a member of a group; None if that is so already.

    None as well if there is no such group. Raises `MissingFact` if the person is not
    known.
    """
    found = facts[Accounts].group(group)
    if found is None:
        return None
    person = facts[HumanUser]
    if found.gid in person.gids:
        return None
    old = _line(host, found)
    new = with_members(old, (*group_members(old), person.name))
    return EditLine(GROUP_FILE, old if found.source == GROUP_FILE else "", new)


def _line(host: Reader, group: Group) -> str:
    """Return a group's line as it stands in its file."""
    text = known(read_text(host, group.source))
    start = f"{group.name}:"
    return next(line for line in text.splitlines() if line.startswith(start))


def leaving(old: str | None, new: str, text: str) -> EditLine | None:
    """Return what takes back that a line of /etc/group became another.

    ``old`` is None if the line was new: it goes, unless others have joined since. None
    if the line, or who was to leave, is not there any more.
    """
    start = f"{new.split(':')[0]}:"
    now = next((line for line in text.splitlines() if line.startswith(start)), None)
    if now is None:
        return None
    added = set(group_members(new)).difference(group_members(old or ""))
    left = tuple(one for one in group_members(now) if one not in added)
    if left == group_members(now):
        return None
    gone = old is None and not left
    return EditLine(GROUP_FILE, now, None if gone else with_members(now, left))
