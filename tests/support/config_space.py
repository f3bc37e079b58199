"""Configuration spaces of PCI functions, as root reads them."""

from __future__ import annotations

EXPRESS, SERIAL, ACS = 0x10, 0x0003, 0x000D


def _le(number: int, size: int) -> bytes:
    return number.to_bytes(size, "little")


def no_express() -> bytes:
    """Return 256 bytes of a conventional bridge, without any capability."""
    return b"\x86\x80\x4e\x24".ljust(256, b"\0")


def bridge(acs: tuple[int, int] | None, serial: bytes = bytes(8)) -> bytes:
    """Return a root port: power management, PCI Express, a serial number, ACS."""
    data = bytearray(4096)
    data[0:4] = b"\x22\x10\x83\x14"
    data[0x06], data[0x34] = 0x10, 0x50
    data[0x50:0x54] = bytes((0x01, 0x58, 0, 0))
    data[0x58:0x5C] = bytes((EXPRESS, 0)) + _le(0x42, 2)
    following = 0x150 if acs else 0
    data[0x100:0x104] = _le(SERIAL, 2) + _le(following << 4 | 1, 2)
    data[0x104:0x10C] = serial
    if acs:
        data[0x150:0x154] = _le(ACS, 2) + _le(1, 2)
        data[0x154:0x158] = _le(acs[0], 2) + _le(acs[1], 2)
    return bytes(data)
