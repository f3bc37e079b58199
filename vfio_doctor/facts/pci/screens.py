"""Which graphics cards have a display connected that is in use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.pci.devices import DEVICES
from vfio_doctor.host.reader import Missing, read_text
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader

DRM = "/sys/class/drm"


class ConnectedScreens(NamedTuple):
    """Connectors with a display, such as ``card1-HDMI-A-1``.

    A card on vfio-pci has none: they are all on cards of the host's.
    """

    names: tuple[str, ...] | Missing

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> ConnectedScreens:
        """Read each connector's ``status``."""
        listed = host.list(DRM)
        if isinstance(listed, Missing):
            return cls(listed)
        connectors = (name for name in listed if "-" in name)
        return cls(
            tuple(n for n in connectors if _said(host, n, "status") == "connected")
        )


def screens(host: Reader, cards: Iterable[str]) -> frozenset[str]:
    """Return the functions with a connector that is connected and enabled."""
    names = host.list(DRM)
    listed = () if isinstance(names, Missing) else names
    return frozenset(bdf for bdf in cards if any(_lit(host, bdf, listed)))


def _lit(host: Reader, bdf: str, names: tuple[str, ...]) -> Iterator[bool]:
    cards = host.list(f"{DEVICES}/{bdf}/drm")
    for card in () if isinstance(cards, Missing) else cards:
        for name in names:
            if card.startswith("card") and name.startswith(f"{card}-"):
                yield _said(host, name, "status") == "connected" and (
                    _said(host, name, "enabled") == "enabled"
                )


def _said(host: Reader, connector: str, name: str) -> str:
    text = read_text(host, f"{DRM}/{connector}/{name}")
    return "" if isinstance(text, Missing) else text.strip()
