"""How many virtual functions (SR-IOV) each function of the host has made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.pci.devices import DEVICES, PciDevices
from vfio_doctor.host.reader import Missing, read_text
from vfio_doctor.parse.pci import is_vfio_driver
from vfio_doctor.parse.whole_number import whole
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader


class MadeVirtual(NamedTuple):
    """The number by address; vfio-pci's own (``enable_sriov``) are not counted."""

    counts: dict[str, int]

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> MadeVirtual:
        """Read ``sriov_numvfs``, which few functions have."""
        own = (d for d in facts[PciDevices].devices if not is_vfio_driver(d.driver))
        found = ((one.bdf, _made(host, one.bdf)) for one in own)
        return cls({bdf: count for bdf, count in found if count})


def _made(host: Reader, bdf: str) -> int:
    text = read_text(host, f"{DEVICES}/{bdf}/sriov_numvfs")
    said = "" if isinstance(text, Missing) else text.strip()
    return whole(said, 8) or 0
