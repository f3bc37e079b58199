"""Regions of memory that keep the kernel from giving a group to a VM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.iommu import IommuMaker
from vfio_doctor.facts.kernel import KernelRelease
from vfio_doctor.facts.pci.devices import members
from vfio_doctor.facts.pci.groups import WantedRegions
from vfio_doctor.facts.pci.wanted import WantedDevices
from vfio_doctor.host.reader import Missing, Why
from vfio_doctor.parse.whole_number import whole
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.facts.pci.devices import PciDevice
    from vfio_doctor.host.reader import Reader

DIRECT = "direct"
# Linux 5.3 tells the regions of USB and graphics, which it lets pass, from others.
TELLS_APART = (5, 3)
# Linux 6.6 refuses such devices whatever IOMMU there is, before that VT-d alone did.
ANY_IOMMU = (6, 6)


class DirectRegions(NamedTuple):
    """The regions that the kernel holds against each group that a VM is to get."""

    groups: tuple[tuple[int, tuple[str, ...]], ...]
    unread: tuple[Missing, ...] = ()

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> DirectRegions:
        """Judge by the kernel's release; before Linux 4.12 there was no such file."""
        meant = members(one.device for one in facts[WantedDevices].devices)
        version = _version(facts[KernelRelease].release)
        if facts[IommuMaker].amd and version < ANY_IOMMU:
            return cls(())
        groups, unread = [], []
        for number, regions in facts[WantedRegions].regions:
            if isinstance(regions, Missing):
                unread += [] if regions.why is Why.ABSENT else [regions]
                continue
            found = tuple(one.text for one in regions if one.kind == DIRECT)
            if found and not (version < TELLS_APART and _is_exempt(meant[number])):
                groups.append((number, found))
        return cls(tuple(groups), tuple(unread))


def _is_exempt(inside: tuple[PciDevice, ...]) -> bool:
    """Tell whether the kernel lets these pass (device_rmrr_is_relaxable)."""
    return all(one.is_display or one.class_.startswith("0c03") for one in inside)


def _version(release: str) -> tuple[int, ...]:
    parts = release.split("-")[0].split(".")[:2]
    numbers = (whole(part) for part in parts)
    return tuple(number for number in numbers if number is not None)
