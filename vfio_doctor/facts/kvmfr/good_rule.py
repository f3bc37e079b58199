"""The udev rule that lets the person and QEMU open the kvmfr devices, nobody else.

What a check shows as expected is what ``--fix`` writes: both ask here.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from vfio_doctor.facts.accounts import Accounts, HumanUser
from vfio_doctor.facts.base import CannotFix, MissingFact
from vfio_doctor.facts.kvmfr.access import KvmfrAccess
from vfio_doctor.facts.kvmfr.names import KVMFR
from vfio_doctor.facts.kvmfr.rules import KvmfrRules
from vfio_doctor.facts.qemu_user import QemuUser
from vfio_doctor.facts.udev import ADMIN_FOLDER, UdevRules
from vfio_doctor.messages import say
from vfio_doctor.parse.systemd_versions import is_system, is_too_late
from vfio_doctor.parse.udev_rules import has_assignment, replace_value
from vfio_doctor.places import FilePlace
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.facts.udev import UdevFile
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.model import Message
    from vfio_doctor.parse.udev_rules import Rule

RULE_FILE = f"{ADMIN_FOLDER}/70-kvmfr.rules"
MODE = "0660"
FOR_ALL = 0o002
NAME_SIGNS = frozenset("_.@-")
# LOGIN_NAME_MAX of Linux, without the byte behind the name.
LONGEST_NAME = 255


COMMANDS = say(
    "kvmfr-rule-commands",
    "`sudo udevadm control --reload` and"
    " `sudo udevadm trigger --action=add --subsystem-match=kvmfr`",
)
APPLY_RULES = say("kvmfr-rule-apply", "Run {commands}.", commands=COMMANDS)
CHANGE = say(
    "kvmfr-rule-change",
    "Change the line in {place} to `{rule}`, then run {commands}.",
)
MOVE = say(
    "kvmfr-rule-move",
    "Take the line out of {old} and write `{rule}` into {new}, then run {commands}.",
)
WRITE = say(
    "kvmfr-rule-write", "Write the line `{rule}` into {new}, then run {commands}."
)


class Way(Enum):
    """How the person gets in; QEMU gets in by the group."""

    OWNER = "owner"
    UACCESS = "uaccess"
    GROUP = "group"


class KvmfrLine(NamedTuple):
    """A rule that names kvmfr, and the file that it stands in."""

    file: UdevFile
    rule: Rule

    @property
    def place(self) -> FilePlace:
        """Return the place that findings about this rule have."""
        return FilePlace(self.file.path, self.rule.last)

    @property
    def names_owner_in_etc(self) -> bool:
        """Tell whether the user of this line can be replaced in place."""
        ours = self.file.path.startswith(f"{ADMIN_FOLDER}/")
        return ours and has_assignment(self.rule.raw, "OWNER")


class GoodKvmfrRule(NamedTuple):
    """The rule that is wanted, as ``--fix`` writes it.

    ``line`` is the whole rule. ``edited`` are the rules that are changed where
    they stand, with their new text; if there are any, `RULE_FILE` is not
    written. ``untriggered`` are devices whose rules are right and were not applied
    yet. ``cannot`` says why no rule can be made; ``line`` is then what would serve
    most hosts.
    """

    way: Way
    line: str
    edited: tuple[tuple[KvmfrLine, str], ...] = ()
    untriggered: tuple[str, ...] = ()
    cannot: Message | None = None

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> GoodKvmfrRule:
        """Choose the way by ``--access``, or the one that fits this host."""
        lines = kvmfr_lines(facts)
        asked = facts.options.access
        way = _best_way(facts, lines) if asked == "auto" else Way(asked)
        found = tuple(_untriggered(facts)) if asked == "auto" else ()
        try:
            made = _MADE[way](facts, lines)
        except (MissingFact, CannotFix) as why:
            group = facts[KvmfrAccess].group or "kvm"
            return cls(way, _by_tag(group), (), found, why.message)
        return made._replace(untriggered=found)

    def expected(self, place: FilePlace | None = None) -> str:
        """Return what should stand in place of a line, or in `RULE_FILE`."""
        texts = {old.place: new for old, new in self.edited}
        return texts[place].strip() if place in texts else self.line

    def by_hand(self, place: FilePlace | None = None) -> Message:
        """Return how to do by hand what ``--fix`` does about a line or file."""
        rule = self.expected(place)
        if self.edited:
            at = [old.place for old, _ in self.edited]
            chosen = str(place if place in at else at[0])
            return CHANGE.filled(place=chosen, rule=rule, commands=COMMANDS)
        if place and place.path != RULE_FILE:
            old = place.path
            return MOVE.filled(old=old, rule=rule, new=RULE_FILE, commands=COMMANDS)
        return WRITE.filled(rule=rule, new=RULE_FILE, commands=COMMANDS)


def kvmfr_lines(facts: Facts) -> tuple[KvmfrLine, ...]:
    """Return every rule in force whose text names kvmfr."""
    return tuple(
        KvmfrLine(file, rule)
        for file in facts[UdevRules].files
        for rule in file.rules.lines
        if KVMFR in rule.raw
    )


def _best_way(facts: Facts, lines: tuple[KvmfrLine, ...]) -> Way:
    """Return OWNER if replacing the user in place repairs all."""
    systemd = facts[KvmfrRules].systemd
    keeps_people = systemd is not None and systemd.means_people_well
    names_owner = any(line.names_owner_in_etc for line in lines)
    in_place = names_owner and keeps_people and not _late(facts)
    return Way.OWNER if in_place else Way.UACCESS


def _untriggered(facts: Facts) -> Iterator[str]:
    """Yield the devices whose rules are right, if they were not applied to them.

    So it is if the module was loaded before the rule was written, or by a system
    whose udev had not started. A rule that opens the node to everybody is not
    right, and one that tags it late counts from the next login on only.
    """
    if _late(facts):
        return
    wide = _wide(facts)
    for node in facts[KvmfrAccess].ruled:
        if node.human and node.qemu and node.name not in wide:
            yield node.name


def _wide(facts: Facts) -> tuple[str, ...]:
    """Return the devices that a rule opens to every account."""
    modes = [(name, effects.mode) for name, effects in facts[KvmfrRules].devices]
    return tuple(name for name, m in modes if m and int(m.value, 8) & FOR_ALL)


def _late(facts: Facts) -> bool:
    """Tell whether a device gets the tag only behind the rules that act on it."""
    tags = [effects.tag("uaccess") for _, effects in facts[KvmfrRules].devices]
    return any(tag and is_too_late(tag.path) for tag in tags)


def _by_owner(facts: Facts, lines: tuple[KvmfrLine, ...]) -> GoodKvmfrRule:
    """Replace the user inside the rules that name one."""
    person, systemd = _plain(facts[HumanUser].name), facts[KvmfrRules].systemd
    if systemd is not None and systemd.drops_people:
        raise CannotFix(
            say(
                "kvmfr-rule-owner-dropped",
                "systemd {version} drops a rule whose OWNER is a person; use"
                " --access uaccess",
                version=str(systemd),
            )
        )
    owned = [line for line in lines if line.names_owner_in_etc]
    if not owned:
        text = _rule(f'OWNER="{person}"', f'GROUP="{_qemu_group(facts)}"')
        return GoodKvmfrRule(Way.OWNER, text)
    edited = [(line, _with_owner(facts, line.rule.raw, person)) for line in owned]
    return GoodKvmfrRule(Way.OWNER, edited[0][1].strip(), tuple(edited))


def _with_owner(facts: Facts, raw: str, person: str) -> str:
    """Return a rule for this person, with a group and mode that let QEMU in."""
    raw = replace_value(raw, "OWNER", person)
    closed = any(node.qemu is False for node in facts[KvmfrAccess].ruled)
    if not closed and not _wide(facts):
        return raw
    group = _qemu_group(facts)
    if has_assignment(raw, "GROUP"):
        raw = replace_value(raw, "GROUP", group)
    else:
        raw = f'{raw.rstrip()}, GROUP="{group}"'
    if has_assignment(raw, "MODE"):
        raw = replace_value(raw, "MODE", MODE)
    return raw


def _by_uaccess(facts: Facts, lines: tuple[KvmfrLine, ...]) -> GoodKvmfrRule:
    return GoodKvmfrRule(Way.UACCESS, _by_tag(_qemu_group(facts)))


def _by_group(facts: Facts, lines: tuple[KvmfrLine, ...]) -> GoodKvmfrRule:
    group = _qemu_group(facts)
    person = facts[HumanUser]
    known = facts[Accounts].group(group)
    if known is None or known.gid not in person.gids:
        raise CannotFix(
            say(
                "kvmfr-rule-join-group",
                "{person} is not in the group {group}: run `sudo usermod -aG {group}"
                " {person}`, log in again, then run --fix",
                person=_plain(person.name),
                group=group,
            )
        )
    return GoodKvmfrRule(Way.GROUP, _rule(f'GROUP="{group}"'))


_MADE = {Way.OWNER: _by_owner, Way.UACCESS: _by_uaccess, Way.GROUP: _by_group}


def _by_tag(group: str) -> str:
    return _rule(f'GROUP="{group}"') + ', TAG+="uaccess"'


def _rule(*terms: str) -> str:
    return ", ".join([f'SUBSYSTEM=="{KVMFR}"', *terms, f'MODE="{MODE}"'])


def _plain(name: str) -> str:
    """Return a name that means itself in a rule; refuse others.

    udev puts values in for ``%`` and ``$``, a quote would end the value, and
    digits alone are a uid, whatever account has them for a name.
    """
    means_more = name.isdigit() or len(name) > LONGEST_NAME
    signs = frozenset(name) - NAME_SIGNS
    plain = name.isascii() and signs and all(sign.isalnum() for sign in signs)
    if means_more or not plain:
        raise CannotFix(
            say(
                "kvmfr-rule-name-not-plain",
                "'{name}' is not a name that may stand in a udev rule",
                name=name,
            )
        )
    return name


def _qemu_group(facts: Facts) -> str:
    """Return a group that lets QEMU in and that this systemd accepts.

    Raises `CannotFix` if there is none; `MissingFact` without libvirt.
    """
    name = facts[KvmfrAccess].group or facts[QemuUser].group
    accounts, systemd = facts[Accounts], facts[KvmfrRules].systemd
    group = accounts.group(name)
    if group is None:
        raise CannotFix(
            say(
                "kvmfr-rule-qemu-group-unknown",
                "QEMU's group '{group}' is in no account file of this host",
                group=name,
            )
        )
    if is_system(group.gid) or (systemd is not None and systemd.means_people_well):
        return _plain(name)
    kvm = accounts.group("kvm")
    if facts[QemuUser].uid == facts[HumanUser].uid and kvm is not None:
        return "kvm"
    raise CannotFix(
        say(
            "kvmfr-rule-qemu-group-not-system",
            "QEMU's group {group} is not a system group, and systemd does not take"
            " such a group; add QEMU's account to the group kvm",
            group=name,
        )
    )
