"""Which graphics cards have a display connected that is in use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.pci.devices import DEVICES, PciDevices
from vfio_doctor.host.reader import Missing, Why, read_text
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

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


class UnseenScreens(NamedTuple):
    """The first reading of the screens that was refused; None if none was."""

    first: Missing | None

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> UnseenScreens:
        """Go through the connectors, and what each graphics card has of them."""
        listed = host.list(DRM)
        names = () if isinstance(listed, Missing) else listed
        cards = (one.bdf for one in facts[PciDevices].displays)
        readings = (
            listed,
            *(host.list(f"{DEVICES}/{bdf}/drm") for bdf in cards),
            *(
                read_text(host, f"{DRM}/{name}/{what}")
                for name in names
                if "-" in name
                for what in ("status", "enabled")
            ),
        )
        refused = (r for r in readings if isinstance(r, Missing))
        return cls(next((r for r in refused if r.why is Why.DENIED), None))


class Display(NamedTuple):
    """A display that is connected: the connector, as HDMI-A-1, and whose it is."""

    connector: str
    bdf: str


class Displays(NamedTuple):
    """All that are connected, those in use first."""

    connected: tuple[Display, ...]

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> Displays:
        """Go by the connectors of each graphics card."""
        listed = host.list(DRM)
        names = () if isinstance(listed, Missing) else listed
        found = [
            (name, bdf)
            for bdf in (one.bdf for one in facts[PciDevices].displays)
            for name in _connectors(host, bdf, names) or ()
            if _said(host, name, "status") == "connected"
        ]
        found.sort(key=lambda one: _said(host, one[0], "enabled") != "enabled")
        return cls(tuple(Display(n.partition("-")[2], bdf) for n, bdf in found))


class Lit(NamedTuple):
    """Functions with a display that is in use, and those that may have one."""

    lit: frozenset[str]
    may_be_lit: frozenset[str]


def screens(host: Reader, cards: Iterable[str]) -> Lit:
    """Return the functions whose connector is connected and enabled.

    One may be lit if its connectors are not known, while no card is seen to be lit or
    a display is connected to none of these cards; or if a connected one does not say
    whether it is in use. nvidia-drm without modeset shows no connectors at all.
    """
    names = host.list(DRM)
    listed = () if isinstance(names, Missing) else names
    status = {name: _said(host, name, "status") for name in listed if "-" in name}
    connected = {name for name, said in status.items() if said == "connected"}
    own = {bdf: _connectors(host, bdf, listed) for bdf in cards}
    used = {
        bdf: {_said(host, name, "enabled") for name in connected.intersection(held)}
        for bdf, held in own.items()
        if held is not None
    }
    lit = frozenset(bdf for bdf, said in used.items() if "enabled" in said)
    may = {bdf for bdf, said in used.items() if "" in said}
    if connected.difference(*(held or () for held in own.values())):
        may |= {bdf for bdf, held in own.items() if held is None}
    if not lit:
        may |= {b for b, held in own.items() if not held or _unread(held, status)}
    return Lit(lit, frozenset(may) - lit)


def _unread(held: tuple[str, ...], status: dict[str, str]) -> bool:
    return not all(status[name] for name in held)


def _connectors(
    host: Reader, bdf: str, names: tuple[str, ...]
) -> tuple[str, ...] | None:
    """Return those of one card; None if they are not known."""
    inside = _drm(host, bdf)
    if inside is None:
        return None
    cards = [name for name in inside if name.startswith("card")]
    return tuple(n for n in names for card in cards if n.startswith(f"{card}-"))


def _drm(host: Reader, bdf: str) -> tuple[str, ...] | None:
    """Return what DRM has of a function, or of its virtio device; None: not known."""
    home = f"{DEVICES}/{bdf}"
    inside = host.list(f"{home}/drm")
    if not isinstance(inside, Missing):
        return inside
    listed = host.list(home)
    if isinstance(listed, Missing) or "drm" in listed or inside.why is not Why.ABSENT:
        return None
    found: tuple[str, ...] = ()
    for name in listed:
        if name.startswith("virtio"):
            below = host.list(f"{home}/{name}/drm")
            if isinstance(below, Missing) and below.why is not Why.ABSENT:
                return None
            found += () if isinstance(below, Missing) else below
    return found


def _said(host: Reader, connector: str, name: str) -> str:
    text = read_text(host, f"{DRM}/{connector}/{name}")
    return "" if isinstance(text, Missing) else text.strip()
