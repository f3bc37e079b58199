"""Why a card must stay with the host, whatever anybody asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.base import missing_fact
from vfio_doctor.facts.iommu import Iommu
from vfio_doctor.facts.pci.ahead import not_ahead
from vfio_doctor.facts.pci.chipset import is_bridge, is_infrastructure
from vfio_doctor.facts.pci.claims import ClaimKind
from vfio_doctor.facts.pci.devices import PciDevices, members
from vfio_doctor.facts.pci.groups import blocks
from vfio_doctor.facts.pci.needs import HostNeeds
from vfio_doctor.facts.pci.regions import DirectRegions
from vfio_doctor.facts.pci.wanted import WantedDevices
from vfio_doctor.host.reader import Missing
from vfio_doctor.messages import say
from vfio_doctor.parse.device_kinds import device_kind
from vfio_doctor.parse.pci import is_vfio_driver

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.facts.pci.cards import Card
    from vfio_doctor.facts.pci.devices import PciDevice
    from vfio_doctor.model import Message

NO_IOMMU = say("bind-no-iommu", "no IOMMU is on: a VM could not get {device}")
BRIDGE_STAYS = say("bind-bridge", "{device} is a bridge, and stays with the host")
INFRASTRUCTURE = say(
    "bind-infrastructure",
    "{device} ({kind}) is a function of the chipset that the host needs",
)
NO_GROUP = say("bind-no-group", "{device} has no IOMMU group: no VM can get it")
ONLY_DISPLAY = say(
    "bind-only-display",
    "{device} is the only graphics card that is left for the host",
)
NEEDED = say("bind-needed", "the host needs {device}: {why}")
MAY_BE_NEEDED = say(
    "bind-may-be-needed", "whether the host needs {device} is not known: {why}"
)
LAST_KEYBOARD = say(
    "bind-last-keyboard",
    "no keyboard would be left: all are connected to it, and to what else goes to a VM",
)
SHARED_NEEDED = say(
    "bind-shared-needed",
    "group {group} also holds {other}, which the host needs: {why}",
)
SHARED_MAY_NEED = say(
    "bind-shared-may-need",
    "group {group} also holds {other}, and whether the host needs that is not known:"
    " {why}",
)
SHARED = say(
    "bind-shared",
    "group {group} also holds {other}, which the host has in use: a VM gets a whole"
    " group or none of it",
)
CHIPSET = say(
    "bind-chipset",
    "{device} is part of the chipset, and its group {group} also holds {other}, which"
    " the host has in use",
)
RESERVED = say(
    "bind-reserved",
    "the firmware reserves memory for group {group} ({region}), so the kernel gives it"
    " to no VM",
)
MAKES_VIRTUAL = say(
    "bind-makes-virtual",
    "{device} makes virtual functions now: on vfio-pci it would lose them",
)
WANTED_VIRTUAL = say(
    "bind-virtual-wanted",
    "{path} gives {address} to a VM, which may be a virtual function of {device}: on"
    " vfio-pci it makes none",
)
IS_VIRTUAL = say(
    "bind-is-virtual",
    "{device} is a virtual function: it is not there at boot, before its driver has"
    " made it",
)


def refusals(card: Card, facts: Facts) -> Iterator[Message]:
    """Yield every reason, the worst first; raise `MissingFact` for what is unknown."""
    first = card.functions[0].bdf
    yield from _board(card)
    on = facts[Iommu].on
    if not on and not facts.options.ahead:
        yield NO_IOMMU.filled(device=first)
        return
    yield from _virtual(card, facts)
    yield from _displays(card, facts)
    yield from _needs(card, facts[HostNeeds])
    yield from _keyboards(card, facts)
    if not on:
        yield from not_ahead(card, facts)
    for one in card.functions:
        if one.group is None and on:
            yield NO_GROUP.filled(device=one.bdf)
    yield from _groups(card, facts)
    yield from _regions(card, facts)


def _board(card: Card) -> Iterator[Message]:
    for one in card.functions:
        if is_bridge(one):
            yield BRIDGE_STAYS.filled(device=one.bdf)
        elif is_infrastructure(one):
            kind = device_kind(one.class_)
            yield INFRASTRUCTURE.filled(device=one.bdf, kind=kind)


def _displays(card: Card, facts: Facts) -> Iterator[Message]:
    own = [one for one in card.functions if one.is_display]
    wanted = facts[WantedDevices]
    left = [
        one
        for one in facts[PciDevices].displays
        if one.bdf not in card.addresses
        and not is_vfio_driver(one.driver)
        and (facts[HostNeeds].of(one.bdf) or not goes(one, wanted))
    ]
    for one in own:
        if not left and not facts.options.headless:
            yield ONLY_DISPLAY.filled(device=one.bdf)
        if isinstance(one.boot_vga, Missing):
            raise missing_fact(one.boot_vga)
    for unread in facts[PciDevices].unread if own else ():
        raise missing_fact(unread)


def goes(device: PciDevice, wanted: WantedDevices) -> bool:
    """Tell whether a function leaves the host anyway."""
    claimed = wanted.of(device.bdf)
    if claimed is None:
        return False
    return claimed.standing or ClaimKind.NEXT in claimed.kinds


def _needs(card: Card, needs: HostNeeds) -> Iterator[Message]:
    found = [need for one in card.functions for need in needs.of(one.bdf)]
    for need in sorted(found, key=lambda need: not need.sure):
        text = NEEDED if need.sure else MAY_BE_NEEDED
        yield text.filled(device=need.bdf, why=need.why)


def _keyboards(card: Card, facts: Facts) -> Iterator[Message]:
    """Yield that the last keyboards would go, though none of them is the only one."""
    typed = facts[HostNeeds].keyboards
    needed = any(facts[HostNeeds].of(one.bdf) for one in card.functions)
    if len(typed) < 2 or needed:
        return
    wanted = facts[WantedDevices]
    going = {d.bdf for d in facts[PciDevices].devices if goes(d, wanted)}
    if typed <= going.union(card.addresses):
        for bdf in sorted(typed.intersection(card.addresses)):
            yield NEEDED.filled(device=bdf, why=LAST_KEYBOARD)


def _groups(card: Card, facts: Facts) -> Iterator[Message]:
    groups = members(facts[PciDevices].devices)
    wanted, needs = facts[WantedDevices], facts[HostNeeds]
    numbers = {one.group for one in card.functions if one.group is not None}
    for number in sorted(numbers):
        for other in groups[number]:
            if other.bdf in card.addresses or not blocks(other):
                continue
            shown = f"{other.bdf} ({other.driver})"
            need = next(iter(needs.of(other.bdf)), None)
            if need is not None:
                text = SHARED_NEEDED if need.sure else SHARED_MAY_NEED
                yield text.filled(group=number, other=shown, why=need.why)
            elif not goes(other, wanted):
                said = SHARED.filled(group=number, other=shown)
                if card.of_chipset:
                    first = card.functions[0].bdf
                    said = CHIPSET.filled(device=first, group=number, other=shown)
                yield said


def _virtual(card: Card, facts: Facts) -> Iterator[Message]:
    for bdf in card.virtual:
        yield IS_VIRTUAL.filled(device=bdf)
    for bdf, made in card.physical:
        if made:
            yield MAKES_VIRTUAL.filled(device=bdf)
        bus = bdf.rpartition(":")[0]
        for claim in facts[WantedDevices].lost:
            if claim.address.rpartition(":")[0] == bus:
                yield WANTED_VIRTUAL.filled(
                    path=claim.source, address=claim.address, device=bdf
                )


def _regions(card: Card, facts: Facts) -> Iterator[Message]:
    numbers = {one.group for one in card.functions}
    held = facts[DirectRegions]
    for number, found in held.groups:
        if number in numbers:
            yield RESERVED.filled(group=number, region=found[0])
    for unread in held.unread:
        raise missing_fact(unread)
