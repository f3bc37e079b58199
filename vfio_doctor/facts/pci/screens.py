"""The connectors of the graphics cards, and which of them have a display in use."""

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


class Connector(NamedTuple):
    """One connector, as ``card1-HDMI-A-1``; its card, "" if no card says it is its own.

    ``status`` and ``enabled`` are the kernel's words (drm_sysfs.c), "" if not known.
    """

    name: str
    card: str
    status: str
    enabled: str

    @property
    def connected(self) -> bool:
        """Whether a display is connected to it."""
        return self.status == "connected"

    @property
    def port(self) -> str:
        """Its name without the card's, as it stands beside the socket."""
        return self.name.partition("-")[2]


class Lit(NamedTuple):
    """Functions with a display that is in use, and those that may have one."""

    lit: frozenset[str]
    may_be_lit: frozenset[str]


class Connectors(NamedTuple):
    """All connectors, in the kernel's order.

    ``unknown`` are the graphics cards that do not show theirs. ``missing`` says why
    there is no list of connectors, ``refused`` is the first reading that was denied.
    """

    found: tuple[Connector, ...]
    unknown: frozenset[str]
    missing: Missing | None
    refused: Missing | None

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> Connectors:
        """Go through the connectors, and what each graphics card has of them."""
        listed = host.list(DRM)
        held = {one.bdf: _drm(host, one.bdf) for one in facts[PciDevices].displays}
        names = () if isinstance(listed, Missing) else listed
        of = {
            card: bdf
            for bdf, inside in held.items()
            if not isinstance(inside, Missing)
            for card in inside
        }
        said = {n: _said(host, n) for n in names if "-" in n}
        readings = (
            listed,
            *held.values(),
            *(r for pair in said.values() for r in pair),
        )
        missing = [r for r in readings if isinstance(r, Missing)]
        return cls(
            tuple(
                Connector(name, of.get(name.partition("-")[0], ""), *map(_word, pair))
                for name, pair in said.items()
            ),
            frozenset(b for b, inside in held.items() if isinstance(inside, Missing)),
            listed if isinstance(listed, Missing) else None,
            next((r for r in missing if r.hidden), None),
        )

    @property
    def connected(self) -> tuple[Connector, ...]:
        """Those with a display, those in use first."""
        connected = (one for one in self.found if one.connected)
        return tuple(sorted(connected, key=lambda one: one.enabled != "enabled"))

    def lit(self, cards: Iterable[str]) -> Lit:
        """Return which of these functions have a display that is in use.

        One may be lit if its connectors are not known, while no card is seen to be lit
        or a display is connected to none of these cards; or if a connected one does not
        say whether it is in use. nvidia-drm without modeset shows no connectors at all.
        """
        own = {bdf: [one for one in self.found if one.card == bdf] for bdf in cards}
        used = {b: {c.enabled for c in held if c.connected} for b, held in own.items()}
        lit = frozenset(bdf for bdf, said in used.items() if "enabled" in said)
        may = {bdf for bdf, said in used.items() if "" in said}
        if any(one.connected and one.card not in own for one in self.found):
            may |= self.unknown.intersection(own)
        if not lit:
            may |= {b for b, held in own.items() if not all(c.status for c in held)}
            may |= {bdf for bdf, held in own.items() if not held}
        return Lit(lit, frozenset(may) - lit)


def _drm(host: Reader, bdf: str) -> tuple[str, ...] | Missing:
    """Return what DRM has of a function, or of its virtio device."""
    home = f"{DEVICES}/{bdf}"
    inside = host.list(f"{home}/drm")
    if not isinstance(inside, Missing) or inside.hidden:
        return inside
    listed = host.list(home)
    if isinstance(listed, Missing):
        return listed
    if "drm" in listed or inside.why is not Why.ABSENT:
        return inside
    found: tuple[str, ...] = ()
    for name in listed:
        if name.startswith("virtio"):
            below = host.list(f"{home}/{name}/drm")
            if not isinstance(below, Missing):
                found += below
            elif below.why is not Why.ABSENT:
                return below
    return found


def _said(host: Reader, connector: str) -> tuple[str | Missing, str | Missing]:
    place = f"{DRM}/{connector}"
    return read_text(host, f"{place}/status"), read_text(host, f"{place}/enabled")


def _word(text: str | Missing) -> str:
    return "" if isinstance(text, Missing) else text.strip()
