"""Who is on the bus of a function that is meant for a VM: one reset reaches all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.pci.devices import DEVICES, PciDevice, PciDevices
from vfio_doctor.facts.pci.power import WantedStates
from vfio_doctor.facts.pci.wanted import WantedDevices
from vfio_doctor.host.reader import Missing, Why
from vfio_doctor.parse.pci import BRIDGE_CLASS
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader

# What resets one function and nothing else (drivers/pci/pci.c, pci_reset_fn_methods).
# ``bus`` is listed for the first function of a card before the others are known.
ALONE = frozenset(("device_specific", "acpi", "flr", "af_flr", "pm"))
# Everybody may read the first 64 bytes, and root gets all that there are: what is
# gone answers with ones.
SPACE = 4096
GONE = b"\xff\xff"
AWAKE = "D0"


class Bus(NamedTuple):
    """The bus of one function: ``others`` are the other functions on it.

    On a root bus nothing but the function's own methods can reset it.
    """

    bdf: str
    is_root: bool
    others: tuple[PciDevice, ...]


class WantedBuses(NamedTuple):
    """The bus of each function that is meant for a VM."""

    buses: tuple[Bus, ...]

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> WantedBuses:
        """Read where each of these functions lies in the tree."""
        found = facts[PciDevices].devices
        wanted = (one.device.bdf for one in facts[WantedDevices].devices)
        return cls(tuple(_bus(host, bdf, found) for bdf in wanted))


class SilentDevices(NamedTuple):
    """Functions meant for a VM whose configuration space answers with ones only.

    ``seen`` are those that answer; a sleeping one is not asked, since reading wakes
    it. ``unread`` are those that could not be asked.
    """

    silent: tuple[str, ...]
    seen: tuple[str, ...]
    unread: tuple[Missing, ...] = ()

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> SilentDevices:
        """Ask each one that is awake."""
        silent: list[str] = []
        seen: list[str] = []
        unread: list[Missing] = []
        for state in facts[WantedStates].states:
            power = state.power_state
            if isinstance(power, Missing) and power.hidden:
                unread.append(power)
            if power != AWAKE:
                continue
            data = host.read_bytes(f"{DEVICES}/{state.bdf}/config", SPACE)
            if isinstance(data, bytes):
                (silent if data[:2] == GONE else seen).append(state.bdf)
            elif data.why not in (Why.ABSENT, Why.NOT_CAPTURED):
                unread.append(data)
        return cls(tuple(silent), tuple(seen), tuple(unread))


def _bus(host: Reader, bdf: str, found: tuple[PciDevice, ...]) -> Bus:
    bus = bdf.rpartition(":")[0]
    others = tuple(d for d in found if d.bdf.rpartition(":")[0] == bus and d.bdf != bdf)
    target = host.readlink(f"{DEVICES}/{bdf}")
    if isinstance(target, str):
        parent = target.rstrip("/").split("/")[-2:-1]
        return Bus(bdf, parent[:1] != [] and parent[0].startswith("pci"), others)
    # Bridges stand on root buses, and on those inside of a switch.
    bridged = any(other.class_.startswith(BRIDGE_CLASS) for other in others)
    return Bus(bdf, bus.endswith(":00") or bridged, others)
