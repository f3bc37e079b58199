"""What the host must keep for itself, and why.

A need that cannot be told from what was seen is a need that may be: never none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.pci.consoles import of_bmc
from vfio_doctor.facts.pci.devices import PciDevices
from vfio_doctor.facts.pci.groups import same_card
from vfio_doctor.facts.pci.keyboards import keyboards
from vfio_doctor.facts.pci.nets import route_cards, usb_cards
from vfio_doctor.facts.pci.screens import Connectors
from vfio_doctor.facts.pci.storage import SWAP, mounted
from vfio_doctor.host.reader import Missing
from vfio_doctor.messages import say
from vfio_doctor.parse.pci import is_vfio_driver
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.facts.pci.devices import PciDevice
    from vfio_doctor.facts.pci.storage import Mounted
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.model import Message

STORAGE, NETWORK, USB = ("01", "0805"), "02", "0c03"
HOLDS = say("need-storage", "it holds what is mounted at {points}")
HOLDS_SWAP = say("need-storage-swap", "the host swaps to it")
HOLDS_SOME = say("need-storage-some", "it holds a mounted file system")
MAY_HOLD = say("need-storage-may", "it may hold a disk that the host uses")
ROUTE = say("need-route", "the host's default route goes through it")
MAY_ROUTE = say("need-route-may", "the host's network may go through it")
MAY_CARRY = say(
    "need-network-disk-may", "a disk that the host uses may come through it"
)
BOOT_SCREEN = say("need-boot-screen", "the firmware and the console draw on it")
CONSOLE = say("need-console", "the console of the server's BMC is drawn on it ({chip})")
SCREEN = say("need-screen", "a connected display is in use on it")
MAY_SHOW = say("need-screen-may", "a connected display may be in use on it")
LAST = say("need-screen-last", "no other graphics card has a driver of the host's")
KEYBOARD = say("need-keyboard", "the only keyboard is connected to it")
KEYBOARDS = say("need-keyboards", "all keyboards are connected to this card")
MAY_TYPE = say("need-keyboard-may", "the only keyboard may be connected to it")


class Need(NamedTuple):
    """Why the host needs one function; not ``sure`` if it only may."""

    bdf: str
    why: Message
    sure: bool = True


class HostNeeds(NamedTuple):
    """Every need; what a VFIO driver has already is none.

    ``keyboards`` are the functions that the keyboards hang on, "" for none of PCI's:
    each could go alone, but not all.
    """

    needs: tuple[Need, ...]
    keyboards: frozenset[str] = frozenset()

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> HostNeeds:
        """Follow mounts, routes, displays and keyboards to their functions."""
        own = [d for d in facts[PciDevices].devices if not is_vfio_driver(d.driver)]
        disks, typed = mounted(host), keyboards(host)
        found = (
            *_displays(own, facts),
            *_disks(disks, own),
            *_cards(host, own, disks.remote),
            *_controllers(typed, own),
        )
        return cls(found, frozenset() if isinstance(typed, Missing) else typed)

    def of(self, bdf: str) -> tuple[Need, ...]:
        """Return why the host needs a function."""
        return tuple(need for need in self.needs if need.bdf == bdf)


def _displays(own: list[PciDevice], facts: Facts) -> Iterator[Need]:
    headless = facts.options.headless
    cards = [device for device in own if device.is_display]
    driven = [card for card in cards if card.driver]
    seen = facts[Connectors].lit([card.bdf for card in cards])
    for card in cards:
        chip = of_bmc(card)
        if chip:
            # The way in when nothing else works, even if the host needs no screen.
            yield Need(card.bdf, CONSOLE.filled(chip=chip))
        elif card.boot_vga is True and not headless:
            yield Need(card.bdf, BOOT_SCREEN)
        elif card.bdf in seen.lit:
            yield Need(card.bdf, SCREEN)
        elif card.driver and card.bdf in seen.may_be_lit:
            yield Need(card.bdf, MAY_SHOW, sure=False)
        elif driven == [card] and not headless:
            yield Need(card.bdf, LAST, sure=False)


def _disks(found: Mounted, own: list[PciDevice]) -> Iterator[Need]:
    for device in own:
        points = found.points.get(device.bdf)
        if points is not None:
            yield Need(device.bdf, _holds(points))
        elif _may_hold(device, found):
            yield Need(device.bdf, MAY_HOLD, sure=False)


def _holds(points: tuple[str, ...]) -> Message:
    places = tuple(point for point in points if point != SWAP)
    if places:
        return HOLDS.filled(points=places)
    return HOLDS_SWAP if points else HOLDS_SOME


def _may_hold(device: PciDevice, found: Mounted) -> bool:
    if _is_usb(device):
        return found.may_be_by_usb(device.bdf)
    return _is_storage(device) and found.may_be_on(device.class_)


def _is_storage(device: PciDevice) -> bool:
    return device.class_.startswith(STORAGE) and bool(device.driver)


def _is_usb(device: PciDevice) -> bool:
    return device.class_.startswith(USB) and bool(device.driver)


def _cards(host: Reader, own: list[PciDevice], remote: bool) -> Iterator[Need]:
    found = route_cards(host)
    by_usb = frozenset() if found.told else usb_cards(host)
    for device in own:
        if device.bdf in found.cards:
            yield Need(device.bdf, ROUTE)
        elif device.class_.startswith(NETWORK) and device.driver:
            if remote:
                yield Need(device.bdf, MAY_CARRY, sure=False)
            if not found.told:
                yield Need(device.bdf, MAY_ROUTE, sure=False)
        elif device.bdf in by_usb:
            yield Need(device.bdf, MAY_ROUTE, sure=False)


def _controllers(
    found: frozenset[str] | Missing, own: list[PciDevice]
) -> Iterator[Need]:
    for device in own:
        if isinstance(found, Missing):
            if _is_usb(device):
                yield Need(device.bdf, MAY_TYPE, sure=False)
        elif found == {device.bdf}:
            yield Need(device.bdf, KEYBOARD)
        elif device.bdf in found and _on_one_card(found, own):
            yield Need(device.bdf, KEYBOARDS)


def _on_one_card(found: frozenset[str], own: list[PciDevice]) -> bool:
    """Tell whether functions are all of one card: it goes to a VM whole."""
    held = [device for device in own if device.bdf in found]
    return len(held) == len(found) and all(same_card(held[0], one) for one in held)
