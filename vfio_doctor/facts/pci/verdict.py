"""Whether a function is free to be given to a VM, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.pci.devices import PciDevices, members
from vfio_doctor.facts.pci.groups import blocks, same_card
from vfio_doctor.facts.pci.needs import HostNeeds
from vfio_doctor.messages import say
from vfio_doctor.parse.pci import BRIDGE_CLASS, is_vfio_driver
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.facts.pci.devices import PciDevice
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.model import Message

BRIDGE = say("verdict-bridge", "no: a bridge stays with the host")
NO_GROUP = say("verdict-no-group", "no: it has no IOMMU group")
NEEDED = say("verdict-needed", "no: {why}")
SHARED_NEEDED = say(
    "verdict-shared-needed", "no: its group also holds {other}, and the host needs that"
)
CARD_NEEDED = say(
    "verdict-card-needed", "no: its card also holds {other}, and the host needs that"
)
SHARED = say("verdict-shared", "not alone: its group also holds {others}")
MAYBE = say("verdict-maybe", "only if the host can do without: {why}")
READY = say("verdict-ready", "yes: {driver} has it")
FREE = say("verdict-free", "yes")
TOGETHER = say("verdict-together", "yes, together with {others}")


class Verdict(NamedTuple):
    """``free`` is None if that depends on what could not be seen, or on more."""

    free: bool | None
    words: Message


class Verdicts(NamedTuple):
    """The verdict on each function, by address."""

    by_address: dict[str, Verdict]

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> Verdicts:
        """Judge each function by its group, and by what the host needs."""
        found, needs = facts[PciDevices].devices, facts[HostNeeds]
        groups = members(found)
        return cls(
            {
                one.bdf: _verdict(
                    one, groups.get(-1 if one.group is None else one.group, ()), needs
                )
                for one in found
            }
        )


def _verdict(
    device: PciDevice, group: Iterable[PciDevice], needs: HostNeeds
) -> Verdict:
    if device.class_.startswith(BRIDGE_CLASS):
        return Verdict(False, BRIDGE)
    if device.group is None:
        return Verdict(False, NO_GROUP)
    others = [o for o in group if o.bdf != device.bdf and blocks(o)]
    kept = _kept(device, others, needs)
    if kept is not None:
        return Verdict(False, kept)
    strangers = [o for o in others if not same_card(device, o)]
    if strangers:
        return Verdict(None, SHARED.filled(others=tuple(map(_shown, strangers))))
    unsure = [need for one in (device, *others) for need in needs.of(one.bdf)]
    if unsure:
        return Verdict(None, MAYBE.filled(why=unsure[0].why))
    return Verdict(True, _free(device, others))


def _kept(
    device: PciDevice, others: Iterable[PciDevice], needs: HostNeeds
) -> Message | None:
    """Return why the host surely needs it, or what goes with it; None if not."""
    for need in needs.of(device.bdf):
        if need.sure:
            return NEEDED.filled(why=need.why)
    for other in others:
        if any(need.sure for need in needs.of(other.bdf)):
            text = CARD_NEEDED if same_card(device, other) else SHARED_NEEDED
            return text.filled(other=_shown(other))
    return None


def _free(device: PciDevice, others: list[PciDevice]) -> Message:
    if others:
        return TOGETHER.filled(others=tuple(other.bdf for other in others))
    if is_vfio_driver(device.driver):
        return READY.filled(driver=device.driver)
    return FREE


def _shown(device: PciDevice) -> str:
    return f"{device.bdf} ({device.driver})"
