"""Who may open the kvmfr devices: now, and once the udev rules have run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.accounts import (
    FIRST_PERSON,
    NOT_PEOPLE,
    Accounts,
    ActiveSeat,
    HumanUser,
)
from vfio_doctor.facts.base import MissingFact
from vfio_doctor.facts.kvmfr.node import KvmfrNode, KvmfrNodes
from vfio_doctor.facts.kvmfr.rules import KvmfrRules
from vfio_doctor.facts.node import READ_WRITE, looks, may_open
from vfio_doctor.facts.qemu_user import QemuUser
from vfio_doctor.host.reader import Kind, Stat, Why
from vfio_doctor.messages import say
from vfio_doctor.parse.systemd_versions import is_too_late
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.base import C, Facts
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.parse.udev_effects import Assigned, Effects


class NodeAccess(NamedTuple):
    """Who may open one node for reading and writing; None if not known.

    ``qemu`` is None also if the host has no account for QEMU. ``looks`` is
    ``root:qemu 0660``, with ``+`` behind it if the node has an ACL.
    """

    name: str
    looks: str
    human: bool | None
    qemu: bool | None

    @property
    def nobody_locked_out(self) -> bool:
        """Tell whether nobody is known to be locked out."""
        return self.human is not False and self.qemu is not False


class KvmfrAccess(NamedTuple):
    """Access to each kvmfr device: ``now`` by its node, ``ruled`` by the rules.

    ``now`` has the devices whose node is a character device that can be looked
    at. ``group`` is the group a rule should name so that QEMU gets in; "" if
    QEMU's account is not known. ``others`` are devices that the rules give to
    another person, if they give one to this person too; of rules that could not be
    read the node's owner tells. ``at_screen`` are devices that open to the person
    at the screen, where somebody else is now, or nobody. ``session`` tells that only
    VMs of the person's own instance of libvirt map devices: QEMU then runs as them.
    """

    now: tuple[NodeAccess, ...]
    ruled: tuple[NodeAccess, ...]
    group: str
    others: tuple[str, ...] = ()
    at_screen: tuple[str, ...] = ()
    session: bool = False

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> KvmfrAccess:
        """Judge the nodes and the rules for the person and for QEMU's account."""
        judge = _Judge(facts)
        rules = facts[KvmfrRules]
        planned = {name: judge.plan(effects) for name, effects in rules.devices}
        ruled = tuple(judge.ruled(name, plan) for name, plan in planned.items())
        now = tuple(
            judge.now(node, node.stat, planned.get(node.name))
            for node in facts[KvmfrNodes].nodes
            if isinstance(node.stat, Stat) and node.stat.kind is Kind.CHAR
        )
        waiting = tuple(
            node.name
            for node in facts[KvmfrNodes].nodes
            if isinstance(node.stat, Stat)
            and node.name in planned
            and judge.opens(node.stat, judge.human) is False
            and judge.waits_for_seat(node.stat, planned[node.name])
        )
        others = tuple(_others(judge, rules, ruled, facts[KvmfrNodes].nodes))
        return cls(now, ruled, judge.best_group(), others, waiting, judge.session)

    def is_anothers(self, name: str) -> bool:
        """Tell whether a device is another person's, while this one has theirs."""
        return name in self.others

    def rule(self, name: str) -> NodeAccess:
        """Return what the rules give for a device; raises `MissingFact`."""
        for access in self.ruled:
            if access.name == name:
                return access
        raise MissingFact(
            say("kvmfr-no-rules-applied", "no rules were applied to {name}", name=name)
        )


def ruled_by(facts: Facts, name: str, effects: Effects) -> NodeAccess:
    """Return who could open a device if the rules had these effects on it."""
    judge = _Judge(facts)
    return judge.ruled(name, judge.plan(effects))


def let_in_without_tag(facts: Facts, name: str) -> bool:
    """Tell whether the rules let the person in as the owner or by a group."""
    found = dict(facts[KvmfrRules].devices)[name]
    return ruled_by(facts, name, found._replace(tags=())).human is True


def _others(
    judge: _Judge,
    rules: KvmfrRules,
    ruled: tuple[NodeAccess, ...],
    nodes: tuple[KvmfrNode, ...],
) -> Iterator[str]:
    """Yield the devices that are another person's, while one is nobody else's."""
    owners = {name: each.owner.number for name, each in rules.devices if each.owner}
    if rules.unreadable:
        stats = {node.name: node.stat for node in nodes}
        seen = {n: stat.uid for n, stat in stats.items() if isinstance(stat, Stat)}
        owners = seen | owners
    theirs = [name for name, uid in owners.items() if judge.is_another(uid)]
    if any(each.name not in theirs for each in ruled):
        yield from theirs


class _Plan(NamedTuple):
    """The node as the rules leave it; ``seat``: the seat's user gets an ACL.

    ``programs``: the rules have a program run, which may open the node to others.
    """

    stat: Stat
    certain: bool
    seat: bool | None
    programs: bool = False


class _Judge:
    """The accounts that matter, each None if it is not known."""

    def __init__(self, facts: Facts) -> None:
        self.accounts = facts[Accounts]
        self.human = _known_or_none(facts, HumanUser)
        self.qemu = _known_or_none(facts, QemuUser)
        self.at_seat = at_seat(facts)
        self.systemd = facts[KvmfrRules].systemd
        self.session = _in_session_only(facts)
        self.opener = self.human if self.session else self.qemu
        # Then the seat's ACL serves QEMU, too, which the person starts there.
        self.are_one = bool(
            self.human and self.opener and self.human.uid == self.opener.uid
        )

    def is_another(self, uid: int) -> bool:
        """Tell whether a node's owner is a person, and not this one."""
        person = uid >= FIRST_PERSON and uid not in NOT_PEOPLE
        return self.human is not None and person and uid != self.human.uid

    def plan(self, effects: Effects) -> _Plan:
        owner, group = effects.owner, effects.group
        uid = owner.number if owner else 0
        gid = group.number if group else 0
        # udev's own default: a group alone makes the node 0660.
        mode = 0o660 if gid else 0o600
        if effects.mode:
            mode = int(effects.mode.value, 8) & 0o777
        user = self.accounts.user_by_uid(uid)
        known = self.accounts.group_by_gid(gid)
        stat = Stat(
            *(Kind.CHAR, mode, uid, gid),
            user=user.name if user else owner.value if owner else "root",
            group=known.name if known else group.value if group else "root",
        )
        parts = [part for part in (owner, group, effects.mode) if part]
        # A name that a line only may set, or may have been dropped for.
        unsure = any(remark.leaves_open for remark in effects.remarks)
        certain = all(part.certain for part in parts) and not unsure
        seat = self.seat_acl(effects.tag("uaccess"))
        return _Plan(stat, certain, seat, bool(effects.programs))

    def seat_acl(self, tag: Assigned | None) -> bool | None:
        """Tell whether the seat's user gets an ACL from this tag."""
        if tag is None:
            return False
        if not tag.certain:
            return None
        if not is_too_late(tag.path):
            return True
        return not self.systemd.ignores_late_tags if self.systemd else None

    def ruled(self, name: str, plan: _Plan) -> NodeAccess:
        human = self.opens(plan.stat, self.human) if plan.certain else None
        if not human and plan.seat is not False:
            human = plan.seat
        qemu = self.opens(plan.stat, self.opener) if plan.certain else None
        qemu = human if self.are_one and not qemu else qemu
        if plan.programs:
            human, qemu = human or None, qemu or None
        return NodeAccess(name, looks(plan.stat), human, qemu)

    def now(self, node: KvmfrNode, stat: Stat, plan: _Plan | None) -> NodeAccess:
        human = self.opens(stat, self.human)
        if human is False and plan:
            waits = self.waits_for_seat(stat, plan)
            human = True if waits else None if waits is None else False
        qemu = self.opens(stat, self.opener)
        qemu = human if self.are_one and not qemu else qemu
        return NodeAccess(node.name, looks(stat), human, qemu)

    def waits_for_seat(self, stat: Stat, plan: _Plan) -> bool | None:
        """Tell whether only the ACL lacks, since the person is not at the screen.

        None if it is not known who is.
        """
        same = stat[1:4] == plan.stat[1:4]
        if not (self.human and plan.seat and plan.certain and same):
            return False
        return None if self.at_seat is None else self.at_seat != self.human.uid

    def opens(self, stat: Stat, who: HumanUser | QemuUser | None) -> bool | None:
        if who is None:
            return True if _opens_for_all(stat) else None
        if may_open(stat, who.uid, who.gids):
            return True
        # The members of a group that is in no account file are not known.
        by_group = stat.mode >> 3 & READ_WRITE == READ_WRITE
        foreign = self.accounts.group_by_gid(stat.gid) is None
        named = bool(stat.group) and not stat.group.isdigit()
        return None if by_group and foreign and named else False

    def best_group(self) -> str:
        """Return ``kvm`` if QEMU is in it, as upstream advises, else its group.

        Root, which needs no group, is to share none with the device.
        """
        if self.qemu is None:
            return ""
        kvm, is_root = self.accounts.group("kvm"), self.qemu.uid == 0
        serves = kvm is not None and (is_root or kvm.gid in self.qemu.gids)
        return "kvm" if serves else self.qemu.group


def _opens_for_all(stat: Stat) -> bool:
    if stat.acl:
        return False
    return all(stat.mode >> shift & READ_WRITE == READ_WRITE for shift in (0, 3, 6))


def _in_session_only(facts: Facts) -> bool:
    """Tell whether each VM that maps a device is of libvirt's instance of a person."""
    from vfio_doctor.facts.libvirt.guests import KvmfrVms

    found = facts[KvmfrVms]
    return bool(found.vms) and not found.unread and not found.nodes()


def at_seat(facts: Facts) -> int | None:
    """Return whose session is at the screen, -1 for nobody's, None if not known."""
    try:
        return facts[ActiveSeat].uid
    except MissingFact as missing:
        return -1 if missing.why is Why.ABSENT else None


def _known_or_none(facts: Facts, kind: type[C]) -> C | None:
    try:
        return facts[kind]
    except MissingFact:
        return None
