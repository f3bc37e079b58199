"""What shares an IOMMU group with a card that is set up: it goes along, or stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.messages import say

if TYPE_CHECKING:
    from vfio_doctor.app.chosen import Chosen
    from vfio_doctor.app.diagnosis import Diagnosed
    from vfio_doctor.app.place import Place
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.facts.pci.devices import PciDevice

SHARED = ("bind-shared", "bind-chipset")
ACCEPT = say(
    "setup-accept-siblings",
    "If this host can do without {devices}, add --accept-siblings, which binds that "
    "along.",
)


def siblings(facts: Facts) -> tuple[str, ...]:
    """Return what shares a group with the cards that are named, and is in the way."""
    from vfio_doctor.facts.pci.devices import PciDevices, members
    from vfio_doctor.facts.pci.groups import blocks
    from vfio_doctor.facts.pci.refusals import goes
    from vfio_doctor.facts.pci.wanted import WantedDevices

    own = cards_of(facts)
    groups = members(facts[PciDevices].devices)
    numbers = sorted({one.group for one in own if one.group is not None})
    return tuple(
        other.bdf
        for number in numbers
        for other in groups[number]
        if other not in own and blocks(other) and not goes(other, facts[WantedDevices])
    )


def cards_of(facts: Facts) -> tuple[PciDevice, ...]:
    """Return all functions of the cards that are named for the set-up."""
    from vfio_doctor.facts.pci.cards import WantedCards
    from vfio_doctor.facts.pci.claims import ClaimKind
    from vfio_doctor.facts.pci.wanted import WantedDevices

    cards = facts[WantedCards]
    named = (w for w in facts[WantedDevices].devices if ClaimKind.SETUP in w.kinds)
    found = (cards.of(one.device.bdf) for one in named)
    return tuple(dict.fromkeys(f for card in found if card for f in card.functions))


def with_siblings(chosen: Chosen, place: Place) -> tuple[Chosen, Diagnosed]:
    """Name them as well, their cards whole, and what shares a group with these."""
    while True:
        done = place.look(chosen)
        more = siblings(done.facts)
        if not more:
            return chosen, done
        whole = (one.bdf for one in cards_of(done.facts))
        devices = dict.fromkeys((*chosen.devices, *whole, *more))
        if len(devices) == len(chosen.devices):
            return chosen, done
        chosen = chosen._replace(devices=tuple(devices))
