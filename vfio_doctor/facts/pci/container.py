"""The node that every user of VFIO opens first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Missing, Reader, Stat

CONTAINER = "/dev/vfio/vfio"


class VfioContainer(NamedTuple):
    """What `lstat` says of /dev/vfio/vfio; ABSENT with iommufd alone."""

    stat: Stat | Missing

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> VfioContainer:
        """Look at the node."""
        return cls(host.lstat(CONTAINER))
