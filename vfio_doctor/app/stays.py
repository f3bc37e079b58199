"""Before a graphics card is given away: which screen the host keeps, asked in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.messages import say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.app.chosen import Chosen
    from vfio_doctor.app.place import Place
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.facts.pci.devices import PciDevice
    from vfio_doctor.model import Message

FIRMWARE_TOO = say(
    "setup-boot-screen", "{device} is boot_vga: the firmware and the console use it."
)
SCREEN = say(
    "ask-screen-stays",
    "The screen stays on {connector} of {device} ({driver}). Is that so?",
)
NO_SCREEN = say(
    "ask-card-stays",
    "{device} ({driver}) stays, with no screen that is seen. Is that so?",
)

OTHER_SCREEN = say(
    "setup-other-screen",
    "Plug the screen into the card that is to stay with the host, and run this again. "
    "`vfio-doctor devices` shows what has to stay, and why.",
)


def screen_is_right(chosen: Chosen, place: Place, facts: Facts) -> bool:
    """Ask whether that is the screen which the host keeps; true if nobody is asked."""
    from vfio_doctor.app.repair_machine import to_stderr

    asks = not (chosen.yes or chosen.headless or chosen.dry_run) and place.is_root()
    if not asks or not place.is_terminal() or not _gives_display(facts):
        return True
    kept = tuple(_kept(facts))
    if not kept:
        return True
    if place.consents(_question(kept, facts)):
        return True
    to_stderr(OTHER_SCREEN)
    return False


def _question(kept: tuple[PciDevice, ...], facts: Facts) -> Message:
    from vfio_doctor.app.repair_machine import to_stderr
    from vfio_doctor.facts.pci.screens import Connectors

    by_address = {one.bdf: one for one in kept}
    shown = next((d for d in facts[Connectors].connected if d.card in by_address), None)
    card = kept[0] if shown is None else by_address[shown.card]
    if card.boot_vga is True:
        to_stderr(FIRMWARE_TOO.filled(device=card.bdf))
    said = {"device": card.bdf, "driver": card.driver or "-"}
    if shown is None:
        return NO_SCREEN.filled(**said)
    return SCREEN.filled(connector=shown.port, **said)


def _kept(facts: Facts) -> Iterator[PciDevice]:
    """Yield the graphics cards that stay, the firmware's first."""
    from vfio_doctor.facts.pci.devices import PciDevices
    from vfio_doctor.facts.pci.refusals import goes
    from vfio_doctor.facts.pci.wanted import WantedDevices
    from vfio_doctor.parse.pci import is_vfio_driver

    wanted = facts[WantedDevices]
    for one in sorted(facts[PciDevices].displays, key=lambda d: d.boot_vga is not True):
        if not is_vfio_driver(one.driver) and not goes(one, wanted):
            yield one


def _gives_display(facts: Facts) -> bool:
    from vfio_doctor.app.siblings import cards_of

    return any(one.is_display for one in cards_of(facts))
