"""What a set-up of passthrough adds that answers no fault: who may use the VMs.

Beside a card that is bound, a person needs libvirt: its group, else each connection
asks for a password, and something that starts it. A VM of the person's own libvirt
opens the group's node with the person's rights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.base import CannotFix, MissingFact
from vfio_doctor.facts.libvirt.daemons import LibvirtDaemons
from vfio_doctor.facts.libvirt.intent import LibvirtIntent
from vfio_doctor.facts.membership import joining
from vfio_doctor.facts.nixos import Generated
from vfio_doctor.facts.pci.binding import SET_ALREADY
from vfio_doctor.facts.pci.cards import WantedCards
from vfio_doctor.facts.pci.claims import ClaimKind
from vfio_doctor.facts.pci.session_node import FILE, RULE, SessionNode
from vfio_doctor.facts.pci.wanted import WantedDevices
from vfio_doctor.messages import say
from vfio_doctor.model import Applicability, EditLine, EnableUnit
from vfio_doctor.parse.pci import slot
from vfio_doctor.repair.set_ups import JOIN, NODE, SOCKET
from vfio_doctor.repair.values import PlannedFix, Refused
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.model import Change
    from vfio_doctor.repair.values import Plan

    Propose = Callable[[Reader, Facts], Iterator[Change]]

LIBVIRT, KVM = "libvirt", "kvm"
TEXTS = {
    JOIN: say(
        "setup-join-libvirt",
        "Let the person use libvirt's VMs without a password: the group libvirt",
    ),
    SOCKET: say("setup-start-libvirt", "Have systemd start libvirt's daemon"),
    NODE: say(
        "setup-session-node",
        "Let VMs of the person's own libvirt (qemu:///session) open the card's node",
    ),
}
LOST = {
    JOIN: say(
        "setup-join-libvirt-may",
        "Who is in the group libvirt can do what root can, by way of a VM.",
    ),
    NODE: say(
        "setup-session-node-may",
        "Every member of the group kvm may then use each card that is on vfio-pci.",
    ),
}
TWO_DAEMONS = say(
    "setup-two-daemons",
    "{daemons} are both installed and none is started: which one it should be is your "
    "choice",
)
MASKED = say("setup-daemon-masked", "{units} is masked, and only you know what for")


class Access(NamedTuple):
    """What is missing, as repairs, and what cannot be added, with the reason."""

    fixes: tuple[PlannedFix, ...] = ()
    refused: tuple[Refused, ...] = ()


def is_of_use(plan: Plan) -> bool:
    """Tell whether the card is bound, or will be: without it the rest is in vain."""
    return all(refused.why.id == SET_ALREADY.id for refused in plan.refused)


def access(host: Reader, facts: Facts) -> Access:
    """Return what is missing; a host that has all of it gets nothing."""
    fixes: list[PlannedFix] = []
    refused: list[Refused] = []
    parts: dict[str, Propose] = {JOIN: _group, SOCKET: _socket, NODE: _node}
    for name, propose in parts.items():
        try:
            changes = tuple(propose(host, facts))
            if changes:
                facts[Generated].refuse()
        except (CannotFix, MissingFact) as why:
            refused.append(Refused((name,), (), why.message))
            continue
        if changes:
            how, lost = Applicability.RISKY, LOST.get(name)
            made = PlannedFix(name, TEXTS[name], how, False, (), changes, lost)
            fixes.append(made)
    return Access(tuple(fixes), tuple(refused))


def _group(host: Reader, facts: Facts) -> Iterator[Change]:
    if facts[LibvirtIntent].there:
        edit = joining(LIBVIRT, host, facts)
        yield from () if edit is None else (edit,)


def _socket(host: Reader, facts: Facts) -> Iterator[Change]:
    found = facts[LibvirtDaemons].daemons
    if not found or any(daemon.starts for daemon in found):
        return
    masked = tuple(unit for daemon in found for unit in daemon.masked)
    if masked:
        raise CannotFix(MASKED.filled(units=masked))
    if len(found) > 1:
        raise CannotFix(TWO_DAEMONS.filled(daemons=tuple(d.name for d in found)))
    # The socket stands behind the service.
    yield EnableUnit(found[0].units[-1])


def _node(host: Reader, facts: Facts) -> Iterator[Change]:
    node = facts[SessionNode]
    if node.has_rule or not _own(facts).intersection(node.addresses):
        return
    yield EditLine(FILE, "", RULE)
    edit = joining(KVM, host, facts)
    yield from () if edit is None else (edit,)


def _own(facts: Facts) -> frozenset[str]:
    """Return the addresses of the cards that are set up, and of their slots."""
    cards = facts[WantedCards]
    named = (w for w in facts[WantedDevices].devices if ClaimKind.SETUP in w.kinds)
    found = (cards.of(one.device.bdf) for one in named)
    own = {bdf for card in found if card for bdf in card.addresses}
    return frozenset(own | set(map(slot, own)))
