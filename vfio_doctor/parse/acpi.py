"""Decode the ACPI table with which firmware describes Intel VT-d (DMAR).

Layout: Intel Virtualization Technology for Directed I/O, chapter 8, and the
kernel's include/acpi/actbl1.h. AMD's IVRS matters only by being there.
"""

from __future__ import annotations

from vfio_doctor.value import NamedTuple

HEADER_SIZE = 36
FIRST_STRUCTURE = 48
INTERRUPT_REMAPPING = 1
X2APIC_OPT_OUT = 2
PLATFORM_OPT_IN = 4
DRHD, RMRR, ATSR = 0, 1, 2


class Dmar(NamedTuple):
    """A DMAR table: DMA address width in bits, flags, counts of structures.

    ``drhd`` are remapping units, ``rmrr`` memory the firmware keeps mapped for
    a device, ``atsr`` ports with address translation services. ``damaged`` is
    true where a length leads out of the table: the counts may be too small.
    """

    address_bits: int
    flags: int
    drhd: int
    rmrr: int
    atsr: int
    damaged: bool = False

    @property
    def interrupt_remapping(self) -> bool:
        """Tell whether the firmware says that interrupts can be remapped."""
        return bool(self.flags & INTERRUPT_REMAPPING)

    @property
    def x2apic_opt_out(self) -> bool:
        """Tell whether the firmware asks the kernel to leave x2APIC alone."""
        return bool(self.flags & X2APIC_OPT_OUT)

    @property
    def platform_opt_in(self) -> bool:
        """Tell whether the firmware asks for DMA protection at boot."""
        return bool(self.flags & PLATFORM_OPT_IN)


def parse_dmar(data: bytes) -> Dmar | None:
    """Return the decoded table; None where the bytes are no DMAR table.

    The checksum is not judged: the kernel uses a table whose sum is wrong.
    """
    if len(data) < FIRST_STRUCTURE or data[:4] != b"DMAR":
        return None
    said = int.from_bytes(data[4:8], "little")
    end = min(said, len(data))
    counts, damaged = _count(data, end)
    return Dmar(
        data[HEADER_SIZE] + 1,
        data[HEADER_SIZE + 1],
        counts.get(DRHD, 0),
        counts.get(RMRR, 0),
        counts.get(ATSR, 0),
        damaged or said > len(data) or said < FIRST_STRUCTURE,
    )


def _count(data: bytes, end: int) -> tuple[dict[int, int], bool]:
    """Count the structures by type; true where one does not fit before ``end``."""
    counts: dict[int, int] = {}
    at = FIRST_STRUCTURE
    while at < end:
        kind = int.from_bytes(data[at : at + 2], "little")
        size = int.from_bytes(data[at + 2 : at + 4], "little")
        if size < 4 or at + size > end:
            return counts, True
        counts[kind] = counts.get(kind, 0) + 1
        at += size
    return counts, False
