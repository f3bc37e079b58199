"""Whether a function is free to be given to a VM, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.base import MissingFact
from vfio_doctor.facts.pci.chipset import is_bridge, is_infrastructure
from vfio_doctor.facts.pci.devices import PciDevices, members
from vfio_doctor.facts.pci.groups import blocks, same_card
from vfio_doctor.facts.pci.isolation import Isolation, joining
from vfio_doctor.facts.pci.needs import HostNeeds
from vfio_doctor.facts.pci.tree import PciTree
from vfio_doctor.facts.pci.virtual import MadeVirtual
from vfio_doctor.facts.vm_autostart import StartedVms
from vfio_doctor.messages import say
from vfio_doctor.parse.pci import is_vfio_driver
from vfio_doctor.parse.pci_config import Acs
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.facts.pci.devices import PciDevice
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.model import Message

STAYS = say("verdict-bridge", "no: a bridge stays with the host")
IN_CHIPSET = say("verdict-chipset", "no: it belongs to the chipset")
NO_GROUP = say("verdict-no-group", "no: it has no IOMMU group")
HAS_VIRTUAL = say(
    "verdict-has-virtual",
    "no: it has made virtual functions, {count} of them, and vfio-pci does not take it"
    " while there are any; give one of those away",
)
NEEDED = say("verdict-needed", "no: {why}")
SHARED_NEEDED = say(
    "verdict-shared-needed", "no: it shares its group with {other}, and {why}"
)
SHARED_NEEDED_ACS = say(
    "verdict-shared-needed-acs",
    "no: it shares its group with {other}, and {why}; the bridge {bridge} lacks ACS, so"
    " it does not keep them apart",
)
CARD_NEEDED = say(
    "verdict-card-needed", "no: its card also holds {other}, and the host needs that"
)
SHARED = say("verdict-shared", "not alone: it shares its group with {others}")
SHARED_ACS = say(
    "verdict-shared-acs",
    "not alone: it shares its group with {others}; the bridge {bridge} lacks ACS, so it"
    " does not keep them apart",
)
MAYBE = say("verdict-maybe", "only if the host can do without: {why}")
MAYBE_SHARED = say(
    "verdict-maybe-shared", "only if the host can do without: {why}; and {shared}"
)
TAKEN = say(
    "verdict-taken-at-start",
    "not while a VM runs that the host starts by itself and that gets it: {vms}",
)
READY = say("verdict-ready", "yes: {driver} has it")
FREE = say("verdict-free", "yes")
TOGETHER = say("verdict-together", "yes, together with {others}")
# What a person calls it, by the first digits of the class code; the longest first.
CALLED = (
    ("0108", say("verdict-your-nvme", "your NVMe drive {device}")),
    ("0c03", say("verdict-your-usb", "your USB controller {device}")),
    ("01", say("verdict-your-disks", "your disk controller {device}")),
    ("02", say("verdict-your-nic", "your network card {device}")),
    ("03", say("verdict-your-display", "your graphics card {device}")),
    ("04", say("verdict-your-sound", "your sound device {device}")),
)
# So many are named: a group may hold thousands.
NAMED = 6
MORE = say("verdict-more", "{count} more")
IN_DOUBT = say("verdict-in-doubt", "{bdf} ({driver}; {why})")


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
        found = facts[PciDevices].devices
        groups = members(found)
        return cls(
            {
                one.bdf: _verdict(
                    one, groups.get(-1 if one.group is None else one.group, ()), facts
                )
                for one in found
            }
        )


def _verdict(device: PciDevice, group: tuple[PciDevice, ...], facts: Facts) -> Verdict:
    if is_bridge(device):
        return Verdict(False, STAYS)
    if is_infrastructure(device) and not is_vfio_driver(device.driver):
        return Verdict(False, IN_CHIPSET)
    if device.group is None:
        return Verdict(False, NO_GROUP)
    made = facts[MadeVirtual].counts.get(device.bdf)
    if made:
        return Verdict(False, HAS_VIRTUAL.filled(count=made))
    needs = facts[HostNeeds]
    others = [o for o in group if o.bdf != device.bdf and blocks(o)]
    bridge = _joining(device, group, facts)
    kept = _kept(device, others, bridge, needs)
    if kept is not None:
        return Verdict(False, kept)
    strangers = [o for o in others if not same_card(device, o)]
    if strangers:
        named = _named(strangers, needs)
        shared = SHARED.filled(others=named)
        if bridge:
            shared = SHARED_ACS.filled(others=named, bridge=bridge)
        own = next((need.why for need in needs.of(device.bdf)), None)
        both = MAYBE_SHARED.filled(why=own, shared=shared) if own else shared
        return Verdict(None, both)
    unsure = [need for one in (device, *others) for need in needs.of(one.bdf)]
    if unsure:
        return Verdict(None, MAYBE.filled(why=unsure[0].why))
    taken = facts[StartedVms].having(device.bdf)
    if taken:
        return Verdict(None, TAKEN.filled(vms=taken))
    return Verdict(True, _free(device, others))


def _joining(device: PciDevice, group: tuple[PciDevice, ...], facts: Facts) -> str:
    """Return the bridge that joins a function to its group, or ""."""
    bridge = joining(facts[PciTree].above.get(device.bdf), group)
    try:
        seen = facts[Isolation].acs.get(bridge)
    except MissingFact:
        seen = None
    # What is seen of a bridge above a wanted device goes before what its group tells.
    return "" if seen is Acs.ON else bridge


def _kept(
    device: PciDevice, others: list[PciDevice], bridge: str, needs: HostNeeds
) -> Message | None:
    """Return why the host surely needs it, or what goes with it; None if not."""
    for need in needs.of(device.bdf):
        if need.sure:
            return NEEDED.filled(why=need.why)
    for other in others:
        for need in needs.of(other.bdf):
            if not need.sure:
                continue
            if same_card(device, other):
                return CARD_NEEDED.filled(other=_shown(other))
            named, why = _called(other, _shown(other)), need.why
            if bridge:
                return SHARED_NEEDED_ACS.filled(other=named, why=why, bridge=bridge)
            return SHARED_NEEDED.filled(other=named, why=why)
    return None


def _free(device: PciDevice, others: list[PciDevice]) -> Message:
    if others:
        return TOGETHER.filled(others=tuple(other.bdf for other in others))
    if is_vfio_driver(device.driver):
        return READY.filled(driver=device.driver)
    return FREE


def _named(strangers: list[PciDevice], needs: HostNeeds) -> tuple[str | Message, ...]:
    """Return who is in the way: what the host may need first, then a number."""
    strangers = sorted(strangers, key=lambda one: not needs.of(one.bdf))
    named = tuple(_doubted(other, needs) for other in strangers[:NAMED])
    left = len(strangers) - len(named)
    return (*named, MORE.filled(count=left)) if left else named


def _doubted(device: PciDevice, needs: HostNeeds) -> str | Message:
    """Return what is in the way, with why the host may need it."""
    why = next((need.why for need in needs.of(device.bdf)), None)
    if why is None:
        return _called(device, _shown(device))
    said = IN_DOUBT.filled(bdf=device.bdf, driver=device.driver, why=why)
    return _called(device, said)


def _called(device: PciDevice, shown: str | Message) -> str | Message:
    for digits, text in CALLED:
        if device.class_.startswith(digits):
            return text.filled(device=shown)
    return shown


def _shown(device: PciDevice) -> str:
    return f"{device.bdf} ({device.driver})"
