"""The cards of the functions that are meant for a VM, whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.pci.devices import DEVICES, PciDevices
from vfio_doctor.facts.pci.groups import same_card
from vfio_doctor.facts.pci.wanted import WantedDevices
from vfio_doctor.host.reader import Missing, read_text
from vfio_doctor.parse.pci import BRIDGES, is_vfio_driver
from vfio_doctor.parse.whole_number import whole
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.facts.pci.devices import PciDevice
    from vfio_doctor.host.reader import Reader


class Card(NamedTuple):
    """All functions of one card, bridges left out.

    On bus 0 a card is one function: a slot of the chipset holds what has little in
    common. ``physical`` are functions that can make virtual ones, with how many they
    make; ``virtual`` are functions that another one makes, only while it does.
    """

    functions: tuple[PciDevice, ...]
    physical: tuple[tuple[str, int], ...] = ()
    virtual: tuple[str, ...] = ()

    @property
    def addresses(self) -> tuple[str, ...]:
        """Return the addresses of the functions."""
        return tuple(one.bdf for one in self.functions)

    @property
    def of_chipset(self) -> bool:
        """Tell whether it is part of the processor or of the board."""
        return self.functions[0].bdf.rpartition(":")[0].endswith(":00")


class WantedCards(NamedTuple):
    """The card of each function that is meant for a VM, by that function."""

    cards: tuple[tuple[str, Card], ...]

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> WantedCards:
        """Read what is known of SR-IOV for the functions of these cards only."""
        found = facts[PciDevices].devices
        wanted = [one.device for one in facts[WantedDevices].devices]
        return cls(tuple((one.bdf, _card(host, one, found)) for one in wanted))

    def of(self, bdf: str) -> Card | None:
        """Return the card of a function that is meant for a VM."""
        return next((card for wanted, card in self.cards if wanted == bdf), None)


def _card(host: Reader, device: PciDevice, found: tuple[PciDevice, ...]) -> Card:
    functions = tuple(
        one
        for one in found
        if one.bdf == device.bdf
        or (
            same_card(device, one)
            and not one.class_.startswith(BRIDGES)
            # A virtual function goes alone, and its maker without it.
            and not _is_virtual(host, one.bdf)
            and not _is_virtual(host, device.bdf)
        )
    )
    physical = tuple(
        (one.bdf, _number(host, one.bdf, "sriov_numvfs"))
        for one in functions
        if _number(host, one.bdf, "sriov_totalvfs")
    )
    virtual = tuple(one.bdf for one in functions if _is_virtual(host, one.bdf))
    return Card(functions, physical, virtual)


def _is_virtual(host: Reader, bdf: str) -> bool:
    return not isinstance(host.readlink(f"{DEVICES}/{bdf}/physfn"), Missing)


def _number(host: Reader, bdf: str, name: str) -> int:
    text = read_text(host, f"{DEVICES}/{bdf}/{name}")
    said = "0" if isinstance(text, Missing) else text.strip()
    return whole(said, 8) or 0


def held(device: PciDevice) -> bool:
    """Tell whether a VFIO driver has a function."""
    return is_vfio_driver(device.driver)
