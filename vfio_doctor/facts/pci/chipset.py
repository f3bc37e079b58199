"""Which functions are the board's own, and go to no VM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.parse.pci import BRIDGE_CLASS

if TYPE_CHECKING:
    from vfio_doctor.facts.pci.devices import PciDevice

# Memory controllers, timers and IOMMUs, SMBus, and sensors that measure the processor.
INFRASTRUCTURE = ("05", "08", "0c05", "11")
# No card has these: interrupt controllers, IOMMUs, SMBus. A board with two processors
# has a second root bus, of another number.
ON_ANY_BUS = ("0800", "0806", "0c05")
# What Intel's processors show of their inside, there as well.
INTEL, UNCORE = "8086", ("0880", "1101")


def is_bridge(device: PciDevice) -> bool:
    """Tell whether it is a bridge of any kind, the host's and ISA's as well."""
    return device.class_.startswith(BRIDGE_CLASS)


def is_infrastructure(device: PciDevice) -> bool:
    """Tell whether it is a function of the chipset that keeps the board going.

    On other buses than 0 the same classes are cards: SD readers, accelerators, FPGAs.
    """
    if device.class_.startswith(ON_ANY_BUS):
        return True
    own = device.vendor == INTEL and not device.driver
    if own and device.class_.startswith(UNCORE):
        return True
    on_root_bus = device.bdf.rpartition(":")[0].endswith(":00")
    return on_root_bus and device.class_.startswith(INFRASTRUCTURE)
