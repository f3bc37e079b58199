"""Keys in the firmware's lists: MokListRT, db (UEFI specification, 32.4.1).

Of each certificate (X.509, DER) the serial number and the subject's common name are
read: those are what modinfo shows of a module's signature. Nothing is verified.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

X509 = bytes.fromhex("a159c0a5e494a74a87b5ab155c2bf072")
HEAD, OWNER = 28, 16
SEQUENCE, SET, INTEGER, VERSION = 0x30, 0x31, 0x02, 0xA0
COMMON_NAME = bytes.fromhex("0603550403")
CERTIFICATES_AT_MOST = 256


class Certificate(NamedTuple):
    """One certificate: its serial number in hexadecimal digits, and its name."""

    serial: str
    name: str


def certificates(data: bytes) -> tuple[Certificate, ...] | None:
    """Return the certificates of a list; None if it is none. Never raises."""
    found: list[Certificate] = []
    at = 0
    while at < len(data):
        if len(found) > CERTIFICATES_AT_MOST or at + HEAD > len(data):
            return None
        whole, head, each = (_size(data, at + 16 + 4 * n) for n in range(3))
        end, start = at + whole, at + HEAD + head
        if whole < HEAD or end > len(data) or each <= OWNER or (end - start) % each:
            return None
        if data.startswith(X509, at):
            for entry in range(start, end, each):
                read = _certificate(data[entry + OWNER : entry + each])
                found += [read] if read else []
        at = end
    return tuple(found)


def written(found: tuple[Certificate, ...]) -> bytes:
    """Return a list with as much of these certificates as is read here."""
    return b"".join(map(_written, found))


def _size(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "little")


def _certificate(der: bytes) -> Certificate | None:
    whole = next(_parts(der), None)
    body = next(_parts(whole[1]), None) if whole else None
    parts = (
        [(tag, held) for tag, held in _parts(body[1]) if tag != VERSION] if body else []
    )
    # Serial number, algorithm, issuer, validity, subject.
    if len(parts) < 5 or parts[0][0] != INTEGER or parts[4][0] != SEQUENCE:
        return None
    serial = parts[0][1].hex().lstrip("0")
    return Certificate(serial, _common_name(parts[4][1]))


def _common_name(subject: bytes) -> str:
    at = subject.find(COMMON_NAME)
    text = next(_parts(subject[at + len(COMMON_NAME) :]), None) if at >= 0 else None
    return text[1].decode("utf-8", "replace") if text else ""


def _parts(der: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and content of each value, as far as they are whole."""
    at = 0
    while at + 2 <= len(der):
        tag, size, start = der[at], der[at + 1], at + 2
        if size & 0x80:
            more = size & 0x7F
            size = int.from_bytes(der[start : start + more], "big")
            start += more
            if more > 4:
                return
        if start + size > len(der):
            return
        yield tag, der[start : start + size]
        at = start + size


def _written(one: Certificate) -> bytes:
    digits = one.serial if len(one.serial) % 2 == 0 else f"0{one.serial}"
    name = _value(0x0C, one.name.encode())
    subject = _value(SET, _value(SEQUENCE, COMMON_NAME + name))
    empty = _value(SEQUENCE, b"")
    parts = (
        _value(INTEGER, bytes.fromhex(digits)),
        *(empty, empty, empty),
        _value(SEQUENCE, subject),
    )
    der = _value(SEQUENCE, _value(SEQUENCE, b"".join(parts)))
    sizes = (HEAD + OWNER + len(der), 0, OWNER + len(der))
    head = b"".join(size.to_bytes(4, "little") for size in sizes)
    return X509 + head + bytes(OWNER) + der


def _value(tag: int, content: bytes) -> bytes:
    return bytes((tag, 0x84)) + len(content).to_bytes(4, "big") + content
