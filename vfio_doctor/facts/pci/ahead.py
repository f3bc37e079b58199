"""Whether a card may be bound before its IOMMU group is known.

A bound card takes nothing else from the host, so what the host needs is safe. What is
not known without groups is whether a VM can get the card. The tree tells enough if
the card is alone below a port of its own, and nothing in use is below a port that
could be grouped with that one: ports of one slot are, if they lack ACS.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.pci.devices import PciDevices
from vfio_doctor.facts.pci.groups import blocks
from vfio_doctor.facts.pci.tree import PciTree
from vfio_doctor.messages import say
from vfio_doctor.parse.pci import slot

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.facts.pci.cards import Card
    from vfio_doctor.model import Message

OF_CHIPSET = say(
    "bind-ahead-chipset",
    "{device} is part of the chipset, and what is grouped with it shows only once the"
    " IOMMU is on",
)
TREE_UNKNOWN = say(
    "bind-ahead-tree-unknown",
    "below which bridge {device} is cannot be told, and what is grouped with it shows"
    " only once the IOMMU is on",
)
NO_OWN_PORT = say(
    "bind-ahead-no-own-port",
    "{device} is behind a bridge that others are behind too, and what is grouped with"
    " it shows only once the IOMMU is on",
)
PORTS_TOGETHER = say(
    "bind-ahead-ports-together",
    "the port of {device} may be grouped with the one of {other}, which the host has in"
    " use: that shows only once the IOMMU is on",
)


def not_ahead(card: Card, facts: Facts) -> Iterator[Message]:
    """Yield why the card's binding has to wait for the groups; nothing: it may not."""
    first = card.functions[0].bdf
    if card.of_chipset:
        yield OF_CHIPSET.filled(device=first)
        return
    tree = facts[PciTree]
    way = tree.above.get(first, ())
    if tree.unread is not None or not way:
        yield TREE_UNKNOWN.filled(device=first)
        return
    port, own = way[0], frozenset(card.addresses)
    below = [bdf for bdf, up in tree.above.items() if up[:1] == (port,)]
    if len(way) > 1 or not own.issuperset(below):
        yield NO_OWN_PORT.filled(device=first)
    for other in facts[PciDevices].devices:
        up = tree.above.get(other.bdf, ())
        together = bool(up) and slot(up[0]) == slot(port)
        if together and other.bdf not in own and blocks(other):
            yield PORTS_TOGETHER.filled(device=first, other=other.bdf)
