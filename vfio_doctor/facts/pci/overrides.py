"""Functions that something is to write driver_override of, and nothing has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.pci.claims import ClaimKind
from vfio_doctor.facts.pci.devices import DEVICES
from vfio_doctor.facts.pci.wanted import WantedDevices
from vfio_doctor.host.reader import Missing, read_text
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader

# What the kernel shows if no driver is named.
NOTHING = ("", "(null)")


class EmptyOverrides(NamedTuple):
    """Addresses that are to be bound by address at boot, and name no driver now."""

    addresses: tuple[str, ...]

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> EmptyOverrides:
        """Read driver_override of each; one that is not there tells nothing."""
        named = (
            one.device.bdf
            for one in facts[WantedDevices].devices
            if any(c.address and c.kind is ClaimKind.BOOT for c in one.claims)
        )
        return cls(tuple(bdf for bdf in named if _is_empty(host, bdf)))


def _is_empty(host: Reader, bdf: str) -> bool:
    text = read_text(host, f"{DEVICES}/{bdf}/driver_override")
    return not isinstance(text, Missing) and text.strip() in NOTHING
