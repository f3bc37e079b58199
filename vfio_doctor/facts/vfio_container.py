"""The node through which QEMU reaches VFIO."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.base import known
from vfio_doctor.facts.node import may_open
from vfio_doctor.host.reader import Kind, Missing, Stat, Why
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.facts.qemu_user import QemuUser
    from vfio_doctor.host.reader import Reader

PATH = "/dev/vfio/vfio"


class VfioContainer(NamedTuple):
    """``/dev/vfio/vfio``; ``stat`` is None if there is no such device."""

    stat: Stat | None

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> VfioContainer:
        """Look at the node; raise `MissingFact` if it cannot be seen."""
        found = host.lstat(PATH)
        if isinstance(found, Missing) and found.why is Why.ABSENT:
            return cls(None)
        stat = known(found)
        return cls(stat if stat.kind is Kind.CHAR else None)

    def opens_for(self, qemu: QemuUser) -> bool:
        """Tell whether QEMU's account may read and write it."""
        return self.stat is not None and may_open(self.stat, qemu.uid, qemu.gids)
