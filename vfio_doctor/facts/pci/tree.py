"""Which bridge each PCI function is below."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.pci.devices import DEVICES, PciDevices
from vfio_doctor.host.reader import Missing
from vfio_doctor.parse.pci import is_address
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader


class PciTree(NamedTuple):
    """The bridges above each function, the nearest last, by address.

    ``unread`` is why the tree, or a part of it, is not known.
    """

    above: dict[str, tuple[str, ...]]
    unread: Missing | None = None

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> PciTree:
        """Read where each function's link leads to."""
        above, unread = {}, None
        for one in facts[PciDevices].devices:
            target = host.readlink(f"{DEVICES}/{one.bdf}")
            if isinstance(target, Missing):
                unread = unread or target
                continue
            way = tuple(filter(is_address, target.split("/")))
            above[one.bdf] = tuple(part for part in way if part != one.bdf)
        return cls(above, unread)

    def parent(self, bdf: str) -> str:
        """Return the bridge that a function is right below, or ""."""
        return next(reversed(self.above.get(bdf, ())), "")
