"""The IOMMU: what the firmware offers and what the kernel makes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.base import MissingFact, known
from vfio_doctor.facts.cpu import CPUINFO, Cpu
from vfio_doctor.host.reader import Missing, Why, read_text
from vfio_doctor.messages import say
from vfio_doctor.parse.acpi import Dmar, parse_dmar
from vfio_doctor.parse.interrupts import chips
from vfio_doctor.parse.whole_number import whole
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader

UNITS = "/sys/class/iommu"
GROUPS = "/sys/kernel/iommu_groups"
TABLES = "/sys/firmware/acpi/tables"
INTERRUPTS = "/proc/interrupts"
# 11 bytes a processor and line: 512 processors with 2,500 interrupts still fit.
INTERRUPTS_LIMIT = 16 << 20
NO_IOMMU = "vfio-noiommu"
ECAP_INTERRUPT_REMAPPING = 1 << 3
# Every ACPI machine has these; a listing without them is a container's mask.
ALWAYS = frozenset(("FACP", "DSDT", "APIC"))
NO_DMAR = say("dmar-not-a-table", "{path}: not a DMAR table")
MASKED = say("acpi-listing-masked", "{path}: the listing is not the firmware's")


class Iommu(NamedTuple):
    """What of the IOMMU is in use.

    ``units`` are the names in ``/sys/class/iommu`` (``dmar0``, ``ivhd0``,
    ``smmu3.…``), ``groups`` the numbers in ``/sys/kernel/iommu_groups`` and
    ``pretended`` those that VFIO made without any IOMMU (its no-IOMMU mode).
    ``unbacked`` are groups of mediated devices: on x86 each IOMMU has a unit, so
    without units no group protects anything.
    """

    units: tuple[str, ...]
    groups: tuple[int, ...]
    pretended: tuple[int, ...] = ()
    unbacked: tuple[int, ...] = ()

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> Iommu:
        """List both folders; only without units are the groups' names read."""
        units = _names(host, UNITS)
        numbers = group_numbers(host)
        if units or not numbers:
            return cls(units, numbers)
        pretended = _pretended(host, numbers)
        rest = tuple(number for number in numbers if number not in pretended)
        if facts[Cpu].x86:
            return cls(units, (), pretended, rest)
        return cls(units, rest, pretended)

    @property
    def on(self) -> bool:
        """Tell whether the kernel translates: at least one group exists."""
        return bool(self.groups)


def group_numbers(host: Reader) -> tuple[int, ...]:
    """Return the numbers of all IOMMU groups; raise `MissingFact` where unknown."""
    numbers = map(whole, _names(host, GROUPS))
    return tuple(sorted(n for n in numbers if n is not None))


def _names(host: Reader, folder: str) -> tuple[str, ...]:
    """List a folder of sysfs; none where a mounted sysfs proves it is not there."""
    names = host.list(folder)
    if not (isinstance(names, Missing) and names.why is Why.ABSENT):
        return known(names)
    known(host.lstat(folder.rpartition("/")[0]))
    return ()


def _pretended(host: Reader, numbers: Iterable[int]) -> tuple[int, ...]:
    """Return the groups that vfio_noiommu_group_alloc made (drivers/vfio/group.c).

    The first real group ends the search: real ones are made at boot and so have
    lower numbers, and one of them is enough to know that the IOMMU is on.
    """
    found = []
    for number in numbers:
        name = read_text(host, f"{GROUPS}/{number}/name")
        if isinstance(name, Missing) and name.why is Why.ABSENT:
            break
        if known(name).strip() != NO_IOMMU:
            break
        found.append(number)
    return tuple(found)


class AcpiTables(NamedTuple):
    """The names of the firmware's ACPI tables, which everybody may list."""

    names: tuple[str, ...]

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> AcpiTables:
        """List ``/sys/firmware/acpi/tables``; the contents need root."""
        names = known(host.list(TABLES))
        if not ALWAYS.intersection(names):
            raise MissingFact(MASKED.filled(path=TABLES))
        return cls(names)

    def has(self, signature: str) -> bool:
        """Tell whether there is a table; a doubled one is called ``DMAR1``."""
        return any(name.rstrip("0123456789") == signature for name in self.names)

    @property
    def dmar(self) -> bool:
        """Tell whether the firmware offers Intel VT-d."""
        return self.has("DMAR")

    @property
    def ivrs(self) -> bool:
        """Tell whether the firmware offers AMD-Vi."""
        return self.has("IVRS")

    @property
    def viot(self) -> bool:
        """Tell whether a hypervisor offers a virtio IOMMU."""
        return self.has("VIOT")


class IommuMaker(NamedTuple):
    """Whose IOMMU the kernel drives here, and so whose arguments count.

    ``amd`` is true for AMD-Vi, false for Intel VT-d; ``source`` is the path that told.
    """

    amd: bool
    source: str

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> IommuMaker:
        """Go by the ACPI table, which a virtual machine chooses whatever its CPU.

        Without tables the units tell, then the processor. Raises `MissingFact` in a
        virtual machine whose tables cannot be seen.
        """
        try:
            tables = facts[AcpiTables]
        except MissingFact as unseen:
            return _maker_without_tables(facts, unseen)
        if tables.ivrs == tables.dmar:
            return cls(facts[Cpu].amd, CPUINFO)
        return cls(tables.ivrs, f"{TABLES}/{'IVRS' if tables.ivrs else 'DMAR'}")


def _maker_without_tables(facts: Facts, unseen: MissingFact) -> IommuMaker:
    try:
        units = facts[Iommu].units
    except MissingFact:
        units = ()
    for unit in units:
        if unit.startswith(("ivhd", "dmar")):
            return IommuMaker(unit.startswith("ivhd"), f"{UNITS}/{unit}")
    cpu = facts[Cpu]
    if cpu.hypervisor and unseen.why is not Why.ABSENT:
        raise unseen
    return IommuMaker(cpu.amd, CPUINFO)


class DmarTable(NamedTuple):
    """The decoded DMAR table; only root can read it."""

    table: Dmar

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> DmarTable:
        """Read and decode the table; raise `MissingFact` where there is none."""
        path = f"{TABLES}/DMAR"
        table = parse_dmar(known(host.read_bytes(path)))
        if table is None:
            raise MissingFact(NO_DMAR.filled(path=path))
        return cls(table)


class InterruptRemapping(NamedTuple):
    """What shows whether interrupts are remapped.

    ``chips`` are the controllers of ``/proc/interrupts`` as far as it had to be
    read, ``incapable`` the VT-d units whose extended capabilities deny it (read
    only where no controller's name settles the question).
    """

    chips: frozenset[str] | Missing
    incapable: tuple[str, ...]

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> InterruptRemapping:
        """Read ``/proc/interrupts`` up to the first remapped interrupt."""
        text = read_text(host, INTERRUPTS, INTERRUPTS_LIMIT)
        seen = text if isinstance(text, Missing) else _until_remapped(chips(text))
        if not isinstance(seen, Missing) and any(map(is_remapped, seen)):
            return cls(seen, ())
        units = facts[Iommu].units
        return cls(seen, tuple(unit for unit in units if _denies(host, unit)))

    @property
    def on(self) -> bool | None:
        """Tell whether interrupts are remapped; None where nothing settles it."""
        if isinstance(self.chips, Missing):
            return None
        if any(map(is_remapped, self.chips)):
            return True
        plain = any(map(is_plain, self.chips))
        return False if plain else None


def is_remapped(chip: str) -> bool:
    """Tell whether VT-d or AMD-Vi stands before this interrupt controller."""
    return chip.startswith("IR-")


def is_plain(chip: str) -> bool:
    """Tell whether this is a controller that would be remapped if any were."""
    return chip.startswith(("IO-APIC", "PCI-MSI"))


def _until_remapped(names: Iterable[str]) -> frozenset[str]:
    seen = set()
    for name in names:
        seen.add(name)
        if is_remapped(name):
            break
    return frozenset(seen)


def _denies(host: Reader, unit: str) -> bool:
    """Tell whether a VT-d unit surely cannot (extended capabilities, bit 3)."""
    if not unit.startswith("dmar"):
        return False
    text = read_text(host, f"{UNITS}/{unit}/intel-iommu/ecap")
    try:
        return not isinstance(text, Missing) and not (
            int(text, 16) & ECAP_INTERRUPT_REMAPPING
        )
    except ValueError:
        return False
