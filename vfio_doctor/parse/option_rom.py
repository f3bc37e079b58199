"""PCI option ROMs: which firmware their programs are for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

BIOS, UEFI = 0, 3
_MARK = b"\x55\xaa"
_RECORD = b"PCIR"
_UNIT = 512
_MOST = 64


def kinds(data: bytes) -> set[int]:
    """Return the kinds of the programs (PCI Firmware Specification 3.0, 5.1)."""
    return set(_kinds(data))


def _kinds(data: bytes) -> Iterator[int]:
    start = 0
    for _ in range(_MOST):
        record = start + int.from_bytes(data[start + 24 : start + 26], "little")
        head = data[record : record + 22]
        if data[start : start + 2] != _MARK or not head.startswith(_RECORD):
            return
        if len(head) < 22:
            return
        yield head[20]
        length = int.from_bytes(head[16:18], "little") * _UNIT
        if head[21] & 0x80 or not length:
            return
        start += length
