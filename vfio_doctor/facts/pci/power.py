"""Power state, reset and SR-IOV of the functions that are meant for a VM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.pci.devices import DEVICES, PciDevices
from vfio_doctor.facts.pci.wanted import WantedDevices
from vfio_doctor.host.reader import Missing, Why, read_text
from vfio_doctor.parse.whole_number import whole
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.facts.pci.devices import PciDevice
    from vfio_doctor.host.reader import Reader

PARAMETERS = "/sys/module/vfio_pci/parameters"


class FunctionState(NamedTuple):
    """What sysfs says of one function beyond its ids.

    ``power_state`` is ``D0`` … ``D3cold`` or ``unknown``; ``runtime_status`` is
    ``active``, ``suspended`` or ``error``; ``total_vfs`` is how many virtual
    functions it can make, None if it is no physical function.
    """

    bdf: str
    power_state: str | Missing
    runtime_status: str | Missing
    reset_methods: tuple[str, ...] | Missing
    total_vfs: int | Missing | None
    made_vfs: int | Missing | None


class WantedStates(NamedTuple):
    """The state of each function that is meant for a VM."""

    states: tuple[FunctionState, ...]

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> WantedStates:
        """Read a few attributes of these functions only.

        ``config`` is left alone: reading it wakes a sleeping function.
        """
        found = facts[WantedDevices].devices
        return cls(tuple(_state(host, one.device.bdf) for one in found))


class PhysicalFunction(NamedTuple):
    """A function that can make virtual ones, and how many there are now."""

    bdf: str
    driver: str
    made_vfs: int


class IdlePhysicals(NamedTuple):
    """Functions without virtual ones, on buses where a VM asks for what is gone."""

    found: tuple[PhysicalFunction, ...]

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> IdlePhysicals:
        """Look at the buses of addresses that no function answers."""
        buses = {claim.address[:7] for claim in facts[WantedDevices].lost}
        near = (d for d in facts[PciDevices].devices if d.bdf[:7] in buses)
        read = (_physical(host, device) for device in near)
        return cls(tuple(one for one in read if one and not one.made_vfs))


class VfioPciParameters(NamedTuple):
    """Parameters of the loaded vfio-pci, as sysfs shows them."""

    disable_idle_d3: bool | Missing

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> VfioPciParameters:
        """Read what matters to power saving."""
        text = read_text(host, f"{PARAMETERS}/disable_idle_d3")
        return cls(text if isinstance(text, Missing) else text.strip() == "Y")


def _physical(host: Reader, device: PciDevice) -> PhysicalFunction | None:
    home = f"{DEVICES}/{device.bdf}"
    if not _number(read_text(host, f"{home}/sriov_totalvfs")):
        return None
    made = _number(read_text(host, f"{home}/sriov_numvfs"))
    return None if made is None else PhysicalFunction(device.bdf, device.driver, made)


def _state(host: Reader, bdf: str) -> FunctionState:
    home = f"{DEVICES}/{bdf}"
    resets = read_text(host, f"{home}/reset_method")
    return FunctionState(
        bdf,
        _word(read_text(host, f"{home}/power_state")),
        _word(read_text(host, f"{home}/power/runtime_status")),
        tuple(resets.split()) if isinstance(resets, str) else _none_left(resets),
        _seen(read_text(host, f"{home}/sriov_totalvfs")),
        _seen(read_text(host, f"{home}/sriov_numvfs")),
    )


def _none_left(missing: Missing) -> tuple[str, ...] | Missing:
    return () if missing.why is Why.ABSENT else missing


def _word(text: str | Missing) -> str | Missing:
    return text if isinstance(text, Missing) else text.strip()


def _seen(text: str | Missing) -> int | Missing | None:
    """Return the number; what is there and may not be read is not None."""
    hidden = isinstance(text, Missing) and text.hidden
    return text if isinstance(text, Missing) and hidden else _number(text)


def _number(text: str | Missing) -> int | None:
    said = "" if isinstance(text, Missing) else text.strip()
    return whole(said, 8)
