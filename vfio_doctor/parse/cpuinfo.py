"""Read ``/proc/cpuinfo``: the first processor's block says enough."""

from __future__ import annotations

from vfio_doctor.parse.whole_number import whole
from vfio_doctor.value import NamedTuple

# What the first block has, by architecture: most, old ARM, POWER, MIPS, s390.
OPENING = frozenset(("processor", "Processor", "cpu", "system type", "vendor_id"))


class CpuInfo(NamedTuple):
    """What the first processor says of itself.

    ``vendor`` is x86's ``vendor_id`` (also IBM/S390) or "". ``flags`` are x86
    feature words; other architectures spell theirs otherwise and have none here.
    ``address_bits`` is the physical address width, 0 where it is not said.
    """

    vendor: str
    model: str
    flags: frozenset[str]
    address_bits: int
    x86: bool

    @property
    def virtualization(self) -> str:
        """Return ``vmx`` (Intel, Zhaoxin), ``svm`` (AMD, Hygon) or ""."""
        return next((flag for flag in ("vmx", "svm") if flag in self.flags), "")


def parse(text: str) -> CpuInfo | None:
    """Return what the first processor's block says.

    None where the text describes no processor, or an x86 one without its flags.
    Only x86 has ``vendor_id`` with ``flags``, and only it has ``cpu family``
    (arch/x86/kernel/cpu/proc.c, show_cpuinfo; s390 says ``features``).
    """
    fields = _first_block(text)
    x86 = "vendor_id" in fields and "flags" in fields
    if not OPENING.intersection(fields) or ("cpu family" in fields and not x86):
        return None
    return CpuInfo(
        fields.get("vendor_id", ""),
        fields.get("model name", ""),
        frozenset(fields["flags"].split()) if x86 else frozenset(),
        _physical_bits(fields.get("address sizes", "")),
        x86,
    )


def _first_block(text: str) -> dict[str, str]:
    """Return the fields up to the first empty line that follows a field."""
    fields: dict[str, str] = {}
    start = 0
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        key, colon, value = text[start:end].partition(":")
        start = end + 1
        if colon:
            fields.setdefault(key.strip(), value.strip())
        elif fields:
            break
    return fields


def _physical_bits(text: str) -> int:
    number = whole(text.partition(" ")[0], 3)
    return number if number and "physical" in text else 0
