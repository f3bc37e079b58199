"""The groups as they were when the host was set up, beside the repairs' journal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.pci.devices import PciDevices
from vfio_doctor.host.reader import Missing, Why, read_text
from vfio_doctor.parse.recorded_groups import Recorded, parse_recordings, recording
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader

# A line is appended at each set-up.
RECORDED_GROUPS = "/var/lib/vfio-doctor/groups.json"
LARGEST = 1 << 20


class RecordedGroups(NamedTuple):
    """The newest recording; ``unread`` is one that could not be looked at."""

    functions: tuple[Recorded, ...]
    unread: Missing | None = None

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> RecordedGroups:
        """Read the file; most hosts have none."""
        text = read_text(host, RECORDED_GROUPS, LARGEST)
        if isinstance(text, Missing):
            none = text.why in (Why.ABSENT, Why.NOT_CAPTURED)
            return cls((), None if none else text)
        return cls(parse_recordings(text))

    def of(self, bdf: str) -> Recorded | None:
        """Return what was at an address, or None."""
        return next((one for one in self.functions if one.bdf == bdf), None)

    def company(self, bdf: str) -> frozenset[str]:
        """Return who was in the group of a function, itself left out."""
        own = self.of(bdf)
        if own is None or own.group is None:
            return frozenset()
        return frozenset(
            one.bdf for one in self.functions if one.group == own.group
        ) - {bdf}


def groups_now(facts: Facts) -> str:
    """Return the line to append to the file: all functions, as they are now."""
    found = facts[PciDevices].devices
    return recording(Recorded(one.bdf, one.ids, one.group) for one in found)
