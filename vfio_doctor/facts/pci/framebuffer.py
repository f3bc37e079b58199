"""Memory of a graphics card that the firmware's framebuffer still holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.base import MissingFact, missing_fact
from vfio_doctor.facts.pci.wanted import WantedDevices
from vfio_doctor.host.reader import Missing, Why, read_text
from vfio_doctor.messages import say
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.facts.pci.wanted import Wanted
    from vfio_doctor.host.reader import Reader

IOMEM = "/proc/iomem"
_LIMIT = 1 << 20
ZEROS = say("framebuffer-zeros", "{path} shows ordinary users no addresses", path=IOMEM)


class HeldMemory(NamedTuple):
    """Lines of /proc/iomem by function: the firmware's framebuffer in its memory.

    Only of cards that a VFIO driver has: of others the kernel takes it away in time.
    ``unread`` is why nothing is known of them, None if all is.
    """

    lines: dict[str, str]
    unread: MissingFact | None = None

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> HeldMemory:
        """Read it if the firmware may have drawn on such a card."""
        if not any(map(_may_be_drawn_on, facts[WantedDevices].devices)):
            return cls({})
        text = read_text(host, IOMEM, _LIMIT)
        if isinstance(text, Missing):
            unseen = text.why not in (Why.ABSENT, Why.NOT_CAPTURED)
            return cls({}, missing_fact(text) if unseen else None)
        from vfio_doctor.parse.iomem import framebuffers, parse

        ranges = parse(text)
        if ranges is None:
            return cls({}, MissingFact(ZEROS, Why.DENIED))
        return cls({bdf: one.raw for bdf, one in framebuffers(ranges)})


def _may_be_drawn_on(one: Wanted) -> bool:
    return one.held and one.device.is_display and one.device.boot_vga is not False
