"""The kvmfr devices: what sysfs has and what stands in ``/dev``."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from vfio_doctor.facts.base import MissingFact

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Missing, Reader, Stat


class KvmfrNode(NamedTuple):
    """One kvmfr device: its sysfs number and what its path in ``/dev`` is.

    ``number`` is (major, minor) from ``/sys/class/kvmfr/NAME/dev``, `Missing`
    where sysfs has no such device and only ``/dev`` has the name.
    """

    name: str
    path: str
    number: tuple[int, int] | Missing
    stat: Stat | Missing


class KvmfrNodes(NamedTuple):
    """All kvmfr devices of sysfs and all names of that form in ``/dev``."""

    nodes: tuple[KvmfrNode, ...]

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> KvmfrNodes:
        """Read ``/sys/class/kvmfr`` and ``/dev``."""
        raise MissingFact("kvmfr devices: not read yet")
