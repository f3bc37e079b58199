"""Resource mappings of Proxmox VE's: names that stand for functions of a node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.host.reader import Missing, Why, read_text
from vfio_doctor.parse.pve import Mapped, parse_mapping
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader

MAPPINGS = "/etc/pve/mapping/pci.cfg"
HOSTNAME = "/proc/sys/kernel/hostname"
LARGEST = 1 << 18


class PveMappings(NamedTuple):
    """All mappings of the cluster; ``unread`` is why they are not known."""

    held: dict[str, tuple[Mapped, ...]]
    node: str = ""
    unread: Missing | None = None

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> PveMappings:
        """Read the file, and the name of this node: a cluster has one file for all."""
        text = read_text(host, MAPPINGS, LARGEST)
        if isinstance(text, Missing):
            return cls({}, unread=None if text.why is Why.ABSENT else text)
        name = read_text(host, HOSTNAME)
        node = "" if isinstance(name, Missing) else name.strip().partition(".")[0]
        return cls(parse_mapping(text), node)

    def of(self, name: str) -> tuple[tuple[str, ...], ...] | None:
        """Return what a name stands for on this node, None if that is not known.

        Of several lines Proxmox takes the first that is free. A file that names one
        node is that node's, whatever this host is called.
        """
        if self.unread:
            return None
        nodes = {one.node for found in self.held.values() for one in found}
        if len(nodes) > 1 and self.node not in nodes:
            return None
        own = self.held.get(name, ())
        return tuple(
            one.addresses for one in own if len(nodes) < 2 or one.node == self.node
        )
