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
            way = _way(host, one.bdf)
            if isinstance(way, Missing):
                unread = unread or way
            else:
                above[one.bdf] = way
        return cls(above, unread)

    def parent(self, bdf: str) -> str:
        """Return the bridge that a function is right below, or ""."""
        return next(reversed(self.above.get(bdf, ())), "")


def way_to(host: Reader, bdf: str) -> tuple[str, ...] | None:
    """Return the bridges above one function, the nearest last; None if not known."""
    way = _way(host, bdf)
    return None if isinstance(way, Missing) else way


def _way(host: Reader, bdf: str) -> tuple[str, ...] | Missing:
    target = host.readlink(f"{DEVICES}/{bdf}")
    if isinstance(target, Missing):
        return target
    way = filter(is_address, target.split("/"))
    return tuple(part for part in way if part != bdf)
