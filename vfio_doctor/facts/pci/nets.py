"""Which network cards the host's default route goes through."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.host.reader import Missing, Why, read_text
from vfio_doctor.parse.pci import last_address
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.host.reader import Reader

ROUTES = "/proc/net/route"
NETS = "/sys/class/net"
_DEEPEST = 6


class RouteCards(NamedTuple):
    """The functions below every default route; not ``told`` if others may be."""

    cards: frozenset[str]
    told: bool


def route_cards(host: Reader) -> RouteCards:
    """Follow bridges, bonds and VLANs to the cards that they stand on.

    What stands on none, such as PPP or a tunnel, goes through some card all the same.
    """
    text = read_text(host, ROUTES)
    names = () if isinstance(text, Missing) else tuple(dict.fromkeys(_defaults(text)))
    found = [_below(host, name, _DEEPEST) for name in names]
    return RouteCards(
        frozenset(
            b for below in found if not isinstance(below, Missing) for b in below
        ),
        # Without one the route may be of IPv6, whose table is full of private
        # addresses.
        bool(found) and all(found) and not any(isinstance(b, Missing) for b in found),
    )


def usb_cards(host: Reader) -> frozenset[str]:
    """Return the USB controllers that a network adapter hangs on."""
    names = host.list(NETS)
    links = (
        host.readlink(f"{NETS}/{name}")
        for name in (() if isinstance(names, Missing) else names)
    )
    found = (x for x in links if isinstance(x, str) and "/usb" in x)
    return frozenset(filter(None, map(last_address, found)))


def _defaults(text: str) -> Iterator[str]:
    for line in text.splitlines()[1:]:
        words = line.split()
        if len(words) > 7 and words[1] == words[7] == "00000000":
            yield words[0]


def _below(host: Reader, name: str, depth: int) -> frozenset[str] | Missing:
    path = f"{NETS}/{name}"
    target = host.readlink(path)
    if isinstance(target, Missing):
        return target
    if address := last_address(target):
        return frozenset((address,))
    names = host.list(path)
    if isinstance(names, Missing) or not depth:
        return Missing(path, Why.FAILED)
    found: set[str] = set()
    for lower in names:
        if lower.startswith("lower_"):
            below = _below(host, lower.removeprefix("lower_"), depth - 1)
            if isinstance(below, Missing):
                return below
            found |= below
    return frozenset(found)
