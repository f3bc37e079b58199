"""The IOMMU groups of the cards that a set-up has bound, as they were then.

The file goes with the set-up: `undo` and `teardown` take its lines out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.base import known
from vfio_doctor.facts.pci.devices import PciDevices, members
from vfio_doctor.host.reader import Missing, Why, read_text
from vfio_doctor.parse.recorded_groups import RecordedGroup, parse
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.facts.pci.devices import PciDevice
    from vfio_doctor.host.reader import Reader

RECORD = "/var/lib/vfio-doctor/groups"


class RecordedGroups(NamedTuple):
    """What set-ups have recorded; () on a host that was not set up."""

    groups: tuple[RecordedGroup, ...]

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> RecordedGroups:
        """Read the file; raise `MissingFact` if it is there and cannot be read."""
        text = read_text(host, RECORD)
        if isinstance(text, Missing):
            if text.why not in (Why.ABSENT, Why.NOT_CAPTURED):
                known(text)
            return cls(())
        return cls(parse(text))

    def of(self, address: str) -> RecordedGroup | None:
        """Return what is recorded of a function."""
        return next((one for one in self.groups if one.address == address), None)


def recorded(functions: tuple[PciDevice, ...], facts: Facts) -> tuple[str, ...]:
    """Return the lines of the functions of a card, as they are now."""
    held = members(facts[PciDevices].devices)
    return tuple(
        RecordedGroup(
            one.bdf,
            one.ids,
            one.group,
            tuple(m.bdf for m in held[one.group]) if one.group is not None else (),
        ).line
        for one in functions
    )
