"""A function's configuration space: what kind of port it is, and its ACS.

The layout is that of ``include/uapi/linux/pci_regs.h``. Only root may read more than
the first 64 bytes.
"""

from __future__ import annotations

from enum import Enum

from vfio_doctor.value import NamedTuple

HEADER = 64
_STATUS, _LIST, _FIRST = 0x06, 0x10, 0x34
_PCI_EXPRESS, _ACS = 0x10, 0x000D
_EXTENDED = 0x100
# Source validation, request and completion redirect, upstream forwarding: what the
# kernel asks of a bridge (drivers/iommu/iommu.c, REQ_ACS_FLAGS).
_NEEDED = 0x1D


class Acs(Enum):
    """Whether a bridge keeps the devices below it apart."""

    ON = "on"
    OFF = "off"
    NONE = "none"


class Express(NamedTuple):
    """The PCI Express flags, and the extended capability ACS: register, control."""

    flags: int | None
    acs: tuple[int, int] | None

    @property
    def state(self) -> Acs:
        """Return what the kernel makes of it: a bit that is missing is not asked."""
        if self.acs is None:
            return Acs.NONE
        able, switched_on = self.acs
        asked = _NEEDED & able
        return Acs.ON if asked and switched_on & asked == asked else Acs.OFF


def parse_config(data: bytes) -> Express | None:
    """Return what the whole space says; None if only a part of it could be read."""
    if len(data) < 4 * HEADER or data[:2] == b"\xff\xff":
        return None
    flags = _flags(data)
    if flags is not None and len(data) < _EXTENDED + 4:
        return None
    return Express(flags, _acs(data))


def skeleton(data: bytes) -> bytes:
    """Return a space that says the same and nothing else: no serial number."""
    found = parse_config(data)
    if found is None:
        return data[:HEADER]
    made = bytearray(data[:HEADER].ljust(4 * HEADER, b"\0"))
    made[_FIRST] = HEADER if found.flags is not None else 0
    if found.flags is not None:
        made[HEADER : HEADER + 4] = bytes((_PCI_EXPRESS, 0)) + _le(found.flags)
        head = _le(_ACS) + _le(1) if found.acs else bytes(4)
        registers = b"".join(map(_le, found.acs or (0, 0)))
        made += head + registers
    return bytes(made)


def _le(number: int) -> bytes:
    return number.to_bytes(2, "little")


def _word(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "little")


def _flags(data: bytes) -> int | None:
    """Return the flags of the capability PCI Express; None if there is none."""
    if not _word(data, _STATUS) & _LIST:
        return None
    at, seen = data[_FIRST] & 0xFC, set[int]()
    while at >= HEADER and at not in seen:
        seen.add(at)
        if data[at] == _PCI_EXPRESS:
            return _word(data, at + 2)
        at = data[at + 1] & 0xFC
    return None


def _acs(data: bytes) -> tuple[int, int] | None:
    at, seen = _EXTENDED, set[int]()
    while _EXTENDED <= at <= len(data) - 8 and at not in seen:
        seen.add(at)
        if _word(data, at) == _ACS:
            return _word(data, at + 4), _word(data, at + 6)
        at = _word(data, at + 2) >> 4
    return None
