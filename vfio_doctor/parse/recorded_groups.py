"""What IOMMU groups were when the host was set up: one JSON line a recording.

    {"functions": [["0000:01:00.0", "10de:2482", 12], ...]}

The last line that can be read counts; a function without a group has null.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from vfio_doctor.parse.pci import is_address
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

_IDS = re.compile(r"[0-9a-f]{4}:[0-9a-f]{4}")
# A large server has some hundred functions.
MOST = 1 << 14


class Recorded(NamedTuple):
    """One function: its address, its ids, and its group then."""

    bdf: str
    ids: str
    group: int | None


def recording(functions: Iterable[Recorded]) -> str:
    """Return the line that is appended."""
    held = [[one.bdf, one.ids, one.group] for one in functions]
    return json.dumps({"functions": held}) + "\n"


def parse_recordings(text: str) -> tuple[Recorded, ...]:
    """Return the newest recording, () if there is none; never raises."""
    for line in reversed(text.splitlines()):
        found = _line(line)
        if found:
            return found
    return ()


def _line(line: str) -> tuple[Recorded, ...]:
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        return ()
    held = said.get("functions") if isinstance(said, dict) else None
    rows = held[:MOST] if isinstance(held, list) else []
    return tuple(one for row in rows if (one := _function(row)))


def _function(row: object) -> Recorded | None:
    if not (isinstance(row, list) and len(row) == 3):
        return None
    bdf, ids, group = row
    if not (isinstance(bdf, str) and isinstance(ids, str)):
        return None
    # A truth value is an int in Python, and none here.
    known = group is None or (type(group) is int and 0 <= group < 1 << 31)
    good = is_address(bdf) and _IDS.fullmatch(ids) is not None and known
    return Recorded(bdf, ids, group) if good else None
