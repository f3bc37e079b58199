"""Graphics of a server's management controller (BMC): its console is drawn there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.facts.pci.devices import PciDevice


class Maker(NamedTuple):
    """A vendor's chip family; ``devices`` empty: all of its graphics."""

    name: str
    devices: tuple[str, ...] = ()


# From the drivers' tables: ast, mgag200, hibmc, and radeon's ES1000. Matrox's other
# cards have ids of their own.
MAKERS = {
    "1a03": Maker("ASPEED"),
    "102b": Maker(
        "Matrox G200", ("0522", "0524", "0530", "0532", "0533", "0534", "0536", "0538")
    ),
    "19e5": Maker("HiSilicon HiBMC", ("1711",)),
    "1002": Maker("ATI ES1000", ("515e", "5969")),
}


def of_bmc(device: PciDevice) -> str:
    """Return the chip's name if a function is a BMC's graphics, else ""."""
    maker = MAKERS.get(device.vendor)
    if maker is None or not device.is_display:
        return ""
    return maker.name if device.device in maker.devices or not maker.devices else ""
