"""Graphics of a server's management controller (BMC): its console is drawn there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.host.reader import Missing
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.facts.pci.devices import PciDevice
    from vfio_doctor.host.reader import Reader, Stat

# Proxmox's configuration, and Unraid's.
WEB = ("/etc/pve/qemu-server", "/boot/config/vfio-pci.cfg")


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


class ServedByWeb(NamedTuple):
    """Whether the host is of a system that people use in a browser, not at a screen."""

    found: bool

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> ServedByWeb:
        """Look for what Proxmox and Unraid keep; /etc/pve may be closed to people."""
        return cls(any(_is_there(host.lstat(path)) for path in WEB))


def _is_there(found: Stat | Missing) -> bool:
    return not isinstance(found, Missing) or found.hidden
