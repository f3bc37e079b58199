"""IOMMU groups: who is in one, its type, and when the kernel gives it to a VM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.base import known
from vfio_doctor.facts.iommu import GROUPS, Iommu
from vfio_doctor.facts.pci.wanted import WantedDevices
from vfio_doctor.host.reader import Missing, read_text
from vfio_doctor.parse import pci
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.facts.pci.devices import PciDevice
    from vfio_doctor.host.reader import Reader


class IommuGroup(NamedTuple):
    """One IOMMU group: its number and the addresses of its devices.

    Devices that are not on the PCI bus have other names.
    """

    number: int
    devices: tuple[str, ...]


class IommuGroups(NamedTuple):
    """All IOMMU groups by number, those of VFIO's no-IOMMU mode left out."""

    groups: tuple[IommuGroup, ...]

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> IommuGroups:
        """List each group's ``devices`` folder."""
        return cls(
            tuple(
                IommuGroup(number, known(host.list(f"{GROUPS}/{number}/devices")))
                for number in facts[Iommu].groups
            )
        )


class GroupTypes(NamedTuple):
    """Each group's default domain, such as ``DMA``, ``DMA-FQ``, ``identity``.

    The kernel's default, not what VFIO has attached
    (Documentation/ABI/testing/sysfs-kernel-iommu_groups).
    """

    types: tuple[tuple[int, str | Missing], ...]

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> GroupTypes:
        """Read each group's ``type``."""
        return cls(
            tuple(
                (number, _word(read_text(host, f"{GROUPS}/{number}/type")))
                for number in facts[Iommu].groups
            )
        )


def _word(text: str | Missing) -> str | Missing:
    return text if isinstance(text, Missing) else text.strip()


class Region(NamedTuple):
    """A range of addresses that the IOMMU treats apart: ``start end type``."""

    start: str
    end: str
    kind: str

    @property
    def text(self) -> str:
        """Return the line as sysfs has it."""
        return f"{self.start} {self.end} {self.kind}"


class WantedRegions(NamedTuple):
    """The reserved regions of each group that has a function meant for a VM."""

    regions: tuple[tuple[int, tuple[Region, ...] | Missing], ...]

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> WantedRegions:
        """Read ``reserved_regions`` of these groups only."""
        numbers = {one.device.group for one in facts[WantedDevices].devices}
        return cls(
            tuple(
                (number, _regions(read_text(host, regions_path(number))))
                for number in sorted(n for n in numbers if n is not None)
            )
        )


def regions_path(number: int) -> str:
    """Return where a group's reserved regions stand."""
    return f"{GROUPS}/{number}/reserved_regions"


def _regions(text: str | Missing) -> tuple[Region, ...] | Missing:
    if isinstance(text, Missing):
        return text
    lines = (line.split() for line in text.splitlines())
    return tuple(Region(*words[:3]) for words in lines if len(words) >= 3)


def blocks(device: PciDevice) -> bool:
    """Tell whether a member keeps its group from being given to a VM.

    One without a driver does not, nor one on a driver of VFIO's or pci-stub, nor a
    PCI bridge; which slot it is in does not matter (drivers/vfio/vfio_main.c
    vfio_dev_viable up to Linux 5.18, then ``driver_managed_dma``).
    """
    if not device.driver or device.class_.startswith(pci.BRIDGES):
        return False
    return not (pci.is_vfio_driver(device.driver) or device.driver == pci.STUB)


def same_card(one: PciDevice, other: PciDevice) -> bool:
    """Tell whether two functions are of one card.

    On bus 0 a slot holds functions of the chipset that have little in common.
    """
    domain_and_bus = one.bdf.rpartition(":")[0]
    on_root_bus = domain_and_bus.endswith(":00")
    return pci.slot(one.bdf) == pci.slot(other.bdf) and not on_root_bus
