"""Lists of keys: numbers and names of certificates, and nothing else of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.host.redaction import scrub
from vfio_doctor.parse.efi_keys import Certificate, certificates, written

if TYPE_CHECKING:
    from vfio_doctor.host.redaction.names import Names

ATTRIBUTES = 4


def serial(digits: str, names: Names) -> str:
    """Return hexadecimal digits of the same kind for a certificate's number."""
    plain = digits.replace(":", "").lower().lstrip("0")
    try:
        held = bytes.fromhex(plain).decode("ascii")
    except ValueError:
        held = ""
    if names.redacted_before and held.startswith("hidden"):
        return plain
    return names.hidden(plain).encode().hex()


def listed(data: bytes, names: Names) -> bytes:
    """Return a list with the same certificates under other names."""
    found = certificates(data)
    if found is None:
        # It cannot be read, before and after.
        return bytes(1)
    made = (
        Certificate(serial(one.serial, names), scrub.words(one.name, names))
        for one in found
    )
    return written(tuple(made))


def variable(data: bytes, names: Names) -> bytes:
    """Return a variable: a list behind its attributes."""
    return data[:ATTRIBUTES] + listed(data[ATTRIBUTES:], names)
