"""The file that a set-up records IOMMU groups in: text to values and back.

A line a function: its address, its ids, the number of its group and, with commas
between, all that was in the group; ``-`` for both if no group was known. Of several
lines for one address the last counts.
"""

from __future__ import annotations

import re

from vfio_doctor.parse.pci import is_address
from vfio_doctor.value import NamedTuple

NO_GROUP = "-"
_IDS = re.compile(r"[0-9a-f]{4}:[0-9a-f]{4}")
_NUMBER = re.compile(r"\d{1,7}")


class RecordedGroup(NamedTuple):
    """One function at set-up; ``group`` is None if no group was known then."""

    address: str
    ids: str
    group: int | None
    members: tuple[str, ...]

    @property
    def line(self) -> str:
        """Return it as a line of the file."""
        if self.group is None:
            return f"{self.address} {self.ids} {NO_GROUP} {NO_GROUP}"
        inside = ",".join(self.members)
        return f"{self.address} {self.ids} {self.group} {inside}"


def parse(text: str) -> tuple[RecordedGroup, ...]:
    """Return what the file tells; lines of another form are left out."""
    found = (_parsed(line) for line in text.splitlines())
    last = {one.address: one for one in found if one is not None}
    return tuple(last.values())


def _parsed(line: str) -> RecordedGroup | None:
    words = line.split()
    if len(words) != 4 or not is_address(words[0]) or not _IDS.fullmatch(words[1]):
        return None
    if words[2:] == [NO_GROUP, NO_GROUP]:
        return RecordedGroup(words[0], words[1], None, ())
    inside = tuple(words[3].split(","))
    if not _NUMBER.fullmatch(words[2]) or not all(map(is_address, inside)):
        return None
    return RecordedGroup(words[0], words[1], int(words[2]), inside)
