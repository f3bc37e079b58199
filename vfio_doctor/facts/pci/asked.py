"""The cards that nothing but the command line names, and what keeps them here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.pci.cards import WantedCards
from vfio_doctor.facts.pci.claims import ClaimKind
from vfio_doctor.facts.pci.refusals import refusals
from vfio_doctor.facts.pci.wanted import WantedDevices
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.facts.pci.devices import PciDevice
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.model import Message


class AskedCard(NamedTuple):
    """The function that is named first, all of its card, and why it has to stay."""

    device: PciDevice
    addresses: tuple[str, ...]
    reasons: tuple[Message, ...]


class AskedCards(NamedTuple):
    """Each card once."""

    cards: tuple[AskedCard, ...]

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> AskedCards:
        """Ask the refusals of a repair: what is said and what is done are one."""
        found: list[AskedCard] = []
        for one in facts[WantedDevices].devices:
            bdf = one.device.bdf
            told = any(bdf in other.addresses for other in found)
            if one.kinds != {ClaimKind.ASKED} or told:
                continue
            card = facts[WantedCards].of(bdf)
            own = card.addresses if card and card.functions else (bdf,)
            reasons = tuple(refusals(card, facts)) if card else ()
            found.append(AskedCard(one.device, own, reasons))
        return cls(tuple(found))
