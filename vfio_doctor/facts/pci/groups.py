"""IOMMU groups: who is in one, its type, and when the kernel gives it to a VM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.base import known
from vfio_doctor.facts.iommu import GROUPS, Iommu
from vfio_doctor.host.reader import Missing, read_text
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
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
