"""Read /proc/iomem: which ranges of addresses are whose."""

from __future__ import annotations

from vfio_doctor.parse.pci import is_address
from vfio_doctor.value import NamedTuple

# What the kernel calls the framebuffer that the firmware has made, and its drivers.
FRAMEBUFFERS = (
    *("BOOTFB", "efifb", "simplefb", "vesafb"),
    *("simpledrm", "efidrm", "vesadrm", "simple-framebuffer"),
)
_LONGEST = 16


class Range(NamedTuple):
    """A line: first and last address, and the name of the owner."""

    start: int
    end: int
    name: str
    raw: str

    def holds(self, other: Range) -> bool:
        """Tell whether another range lies inside of this one."""
        return self.start <= other.start <= other.end <= self.end


def parse(text: str) -> tuple[Range, ...] | None:
    """Return all ranges; None if all addresses are zero, as for ordinary users."""
    found = [one for one in map(_range, text.split("\n")) if one is not None]
    if found and not any(one.end for one in found):
        return None
    return tuple(found)


def is_framebuffer(name: str) -> bool:
    """Tell whether a name is that of the firmware's framebuffer."""
    return name.partition(".")[0] in FRAMEBUFFERS


def framebuffers(ranges: tuple[Range, ...]) -> tuple[tuple[str, Range], ...]:
    """Return (address of a PCI function, range of a framebuffer inside of its own)."""
    inside = [one for one in ranges if is_framebuffer(one.name)]
    own = [one for one in ranges if inside and is_address(one.name)]
    return tuple(
        (function.name, one)
        for one in inside[:8]
        for function in own
        if function.holds(one)
    )


def _range(line: str) -> Range | None:
    span, colon, name = line.partition(" : ")
    start, dash, end = span.strip().partition("-")
    if not (colon and dash) or max(len(start), len(end)) > _LONGEST:
        return None
    try:
        return Range(int(start, 16), int(end, 16), name.strip(), line.strip())
    except ValueError:
        return None
