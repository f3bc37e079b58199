"""Why a group is big: the bridge that does not keep devices apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.pci.devices import DEVICES
from vfio_doctor.facts.pci.tree import way_to
from vfio_doctor.facts.pci.wanted import WantedDevices
from vfio_doctor.host.reader import read_text
from vfio_doctor.parse.cmdline import plain
from vfio_doctor.parse.pci import BRIDGE
from vfio_doctor.parse.pci_config import Acs, parse_config
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.facts.pci.devices import PciDevice
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.parse.cmdline import CommandLine

# The space of a PCI Express function; only root gets all of it.
SPACE = 4096
AWAKE = "D0"
# Read by a patch that few kernels carry.
OVERRIDE = "pcie_acs_override"


class Joint(NamedTuple):
    """The bridge that joins a function to its group; ``acs`` is None if not seen."""

    bridge: str
    acs: Acs | None


class Isolation(NamedTuple):
    """The bridges above each function that is meant for a VM, the nearest last.

    ``acs`` is what the configuration space of these bridges says, if it was readable.
    """

    above: dict[str, tuple[str, ...]]
    acs: dict[str, Acs]

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> Isolation:
        """Read deep for these bridges only; a sleeping one is left asleep."""
        wanted = (one.device.bdf for one in facts[WantedDevices].devices)
        above = {bdf: way for bdf in wanted if (way := way_to(host, bdf)) is not None}
        bridges = dict.fromkeys(bdf for way in above.values() for bdf in way)
        states = {bdf: _state(host, bdf) for bdf in bridges}
        return cls(above, {b: state for b, state in states.items() if state})

    def joint(self, bdf: str, group: tuple[PciDevice, ...]) -> Joint | None:
        """Return the bridge that joins a function to its group, None if none is seen.

        The kernel walks up to the root, and a function gets the group of the last
        bridge without ACS (drivers/iommu/iommu.c, pci_device_group): so that bridge is
        in the group. One that shows ACS is there for another reason.
        """
        name = joining(self.above.get(bdf), group)
        state = self.acs.get(name)
        return Joint(name, state) if name and state is not Acs.ON else None


def joining(way: tuple[str, ...] | None, group: tuple[PciDevice, ...]) -> str:
    """Return the topmost bridge of a way that is in the group, or "".

    If the way is not known, no bridge is blamed: one of the group may be beside it.
    """
    bridges = [one.bdf for one in group if one.class_.startswith(BRIDGE)]
    return next((bdf for bdf in way or () if bdf in bridges), "")


def _state(host: Reader, bdf: str) -> Acs | None:
    power = read_text(host, f"{DEVICES}/{bdf}/power_state")
    if isinstance(power, str) and power.strip() != AWAKE:
        return None
    data = host.read_bytes(f"{DEVICES}/{bdf}/config", SPACE)
    found = parse_config(data) if isinstance(data, bytes) else None
    return found.state if found else None


def acs_overrides(line: CommandLine) -> tuple[str, ...]:
    """Return the words that ask a patched kernel to split groups without ACS."""
    return tuple(a.raw for a in line.arguments if plain(a.key) == OVERRIDE)
