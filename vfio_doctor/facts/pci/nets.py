"""Which network cards the host's default route goes through."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.host.reader import Missing, Why, read_text
from vfio_doctor.parse.pci import last_address

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.host.reader import Reader

ROUTES = "/proc/net/route"
NETS = "/sys/class/net"
_DEEPEST = 6


def route_cards(host: Reader) -> frozenset[str] | Missing:
    """Return the functions below every default route; `Missing` if untold.

    Bridges, bonds and VLANs are followed to the cards that they stand on.
    """
    text = read_text(host, ROUTES)
    if isinstance(text, Missing):
        return text
    found: set[str] = set()
    names = tuple(dict.fromkeys(_defaults(text)))
    if not names:
        # The route may be of IPv6, whose table is full of private addresses.
        return Missing(ROUTES, Why.FAILED)
    for name in names:
        below = _below(host, name, _DEEPEST)
        if isinstance(below, Missing):
            return below
        found |= below
    return frozenset(found)


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
