"""The udev rule that lets the person and QEMU open the kvmfr devices, nobody else.

What a check shows as expected is what ``--fix`` writes: both ask here.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from vfio_doctor.facts.accounts import Accounts, HumanUser
from vfio_doctor.facts.base import CannotFix, MissingFact
from vfio_doctor.facts.kvmfr.access import KvmfrAccess, at_seat
from vfio_doctor.facts.kvmfr.names import KVMFR
from vfio_doctor.facts.kvmfr.rule_by_hand import (
    AGREE,
    SEVERAL_OWNERS,
    changed,
    taken_out,
    written,
)
from vfio_doctor.facts.kvmfr.rule_lines import RULE_FILE, KvmfrLine, kvmfr_lines
from vfio_doctor.facts.kvmfr.rule_words import MODE, plain_name, qemu_group, rule_of
from vfio_doctor.facts.kvmfr.rules import KvmfrRules
from vfio_doctor.facts.kvmfr.trial import opens_to_all, serves
from vfio_doctor.facts.nixos import NIXOS_RULE, Generated
from vfio_doctor.facts.qemu_user import QemuUser
from vfio_doctor.facts.udev import UdevRules
from vfio_doctor.messages import say
from vfio_doctor.parse.systemd_versions import is_system, is_too_late
from vfio_doctor.parse.udev_effects import Oddity
from vfio_doctor.parse.udev_rules import has_assignment, replace_value
from vfio_doctor.places import FilePlace
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.model import Message

# A person has a few; each costs a look at all of them.
LINES_AT_MOST = 100
TOO_MANY_LINES = say(
    "kvmfr-rule-too-many-lines",
    "more than {count} udev rules name kvmfr: take out by hand what is not needed",
    count=LINES_AT_MOST,
)
JOIN_GROUP = say(
    "kvmfr-rule-join-group",
    "{person} is not in the group {group}: run `sudo usermod -aG {group} {person}`, log"
    " in again, then run --fix",
)
COPY_GROUP = say(
    "kvmfr-rule-copy-group",
    "{person} is not in the group {group}: run `getent group {group} | sudo tee -a"
    " /etc/group`, then `sudo usermod -aG {group} {person}`, log in again, then run"
    " --fix",
)
OWNER_UNSURE = say(
    "kvmfr-rule-owner-unsure",
    "it cannot be told whether this systemd {version} drops a rule whose OWNER is a "
    "person: 258.0 to 258.4 and 259.0 to 259.1 do; use --access uaccess",
)


class Way(Enum):
    """How the person gets in; QEMU gets in by the group.

    `KEPT` is the way that the rules have: only their mode or group is corrected.
    """

    OWNER = "owner"
    UACCESS = "uaccess"
    GROUP = "group"
    KEPT = "kept"


class GoodKvmfrRule(NamedTuple):
    """The rule that is wanted, as ``--fix`` writes it.

    ``line`` is the whole rule. ``edited`` are the rules that are changed where
    they stand, with their new text; if there are any, `RULE_FILE` is not
    written. ``untriggered`` are devices whose rules are right and were not applied
    yet. ``cannot`` says why no rule can be made; ``line`` is then what would serve
    most hosts. ``for_all`` serves a device that no rule is about; ``generated`` tells
    that the files are made from a configuration (NixOS), ``keeps_people`` that an
    owner may be a person, ``away`` that the rule serves the person at the screen only,
    where they are not now. ``leftover`` are lines that
    stand beside a good rule which serves alone, ``of_others`` those that are about
    another person's device only. ``masked`` tells that `RULE_FILE` is a link to
    ``/dev/null``, which switches a package's file of that name off.
    """

    way: Way
    line: str
    edited: tuple[tuple[KvmfrLine, str], ...] = ()
    untriggered: tuple[str, ...] = ()
    cannot: Message | None = None
    for_all: str = ""
    generated: bool = False
    keeps_people: bool = False
    away: bool = False
    leftover: tuple[KvmfrLine, ...] = ()
    of_others: tuple[FilePlace, ...] = ()
    masked: bool = False

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> GoodKvmfrRule:
        """Choose the way by ``--access``, or the one that fits this host."""
        lines = kvmfr_lines(facts)
        if len(lines) > LINES_AT_MOST:
            text = _by_tag(facts, facts[KvmfrAccess].group or "kvm")
            return cls(Way.UACCESS, text, cannot=TOO_MANY_LINES)
        asked, masked = facts.options.access, RULE_FILE in facts[UdevRules].masked
        way = _best_way(facts, lines) if asked == "auto" else Way(asked)
        found = tuple(_untriggered(facts)) if asked == "auto" else ()
        try:
            _refuse_several_owners(facts)
            made = _MADE[way](facts, lines)
        except (MissingFact, CannotFix) as why:
            group = facts[KvmfrAccess].group or "kvm"
            made = cls(way, _by_tag(facts, group), (), found, why.message)
            return made._replace(generated=facts[Generated].yes, masked=masked)
        return made._replace(
            untriggered=found,
            for_all=_for_all(facts),
            generated=facts[Generated].yes,
            keeps_people=_keeps_people(facts),
            away=way is Way.UACCESS and _is_away(facts),
            leftover=_leftover(facts, lines) if asked == "auto" else (),
            of_others=tuple(_of_others(facts)),
            masked=masked,
        )

    def expected(self, place: FilePlace | None = None) -> str:
        """Return what should stand in place of a line, or in `RULE_FILE`."""
        texts = {old.place: new for old, new in self.edited}
        return texts[place].strip() if place in texts else self.line

    def moves_to(self, place: FilePlace) -> str:
        """Return the file that a line's text is to stand in, "" if it may stay."""
        edited = any(old.place == place for old, _ in self.edited)
        stays = self.generated or edited or place.path == RULE_FILE
        return "" if stays else RULE_FILE

    @property
    def way_without_seat(self) -> str:
        """Return the value of ``--access`` that lets a person in anywhere."""
        way: str = (Way.OWNER if self.keeps_people else Way.GROUP).value
        return way

    def by_hand(self, place: FilePlace | None = None) -> Message:
        """Return how to do by hand what ``--fix`` does about a line or file."""
        if self.cannot and self.cannot.id == SEVERAL_OWNERS.id:
            return AGREE
        rule = self.expected(place)
        if self.generated:
            return NIXOS_RULE.filled(rule=self.for_all or rule)
        if self.edited:
            at = [old.place for old, _ in self.edited]
            return changed(place if place in at else at[0], rule)
        if self.leftover:
            return taken_out(self.leftover)
        return written(rule, place, self.masked)


def _refuse_several_owners(facts: Facts) -> None:
    """Raise `CannotFix` if each device has an owner, several of them, none the person.

    One account in a rule for all may be a former one's; of several only they know
    whose device the person is to have.
    """
    try:
        person = facts[HumanUser].uid
    except MissingFact:
        return
    owners = [e.owner.number if e.owner else 0 for _, e in facts[KvmfrRules].devices]
    people = {uid for uid in owners if uid and not is_system(uid)}
    if len(people) > 1 and person not in people and all(o in people for o in owners):
        names = tuple(
            str(e.owner.value) for _, e in facts[KvmfrRules].devices if e.owner
        )
        raise CannotFix(SEVERAL_OWNERS.filled(people=names))


def _best_way(facts: Facts, lines: tuple[KvmfrLine, ...]) -> Way:
    """Return what changes least: mode and group, the user in place, else a new rule."""
    if _leftover(facts, lines):
        return Way.UACCESS
    if _late(facts):
        return Way.UACCESS
    if _kept(facts, lines):
        return Way.KEPT
    in_place = _owned(facts, lines) and _keeps_people(facts)
    return Way.OWNER if in_place else Way.UACCESS


def _keeps_people(facts: Facts) -> bool:
    """Tell whether this systemd takes a person for an owner, now and later."""
    systemd = facts[KvmfrRules].systemd
    return systemd is not None and systemd.means_people_well


def _is_away(facts: Facts) -> bool:
    """Tell whether the person is known not to sit at the screen."""
    try:
        person = facts[HumanUser].uid
    except MissingFact:
        return False
    return at_seat(facts) not in (None, person)


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
    devices = facts[KvmfrRules].devices
    return tuple(name for name, effects in devices if opens_to_all(effects))


def _leftover(facts: Facts, lines: tuple[KvmfrLine, ...]) -> tuple[KvmfrLine, ...]:
    """Return the lines beside a good rule that serves without them."""
    if not any(line.file.path == RULE_FILE for line in lines):
        return ()
    others = tuple(_of_others(facts))
    rest = tuple(ln for ln in lines if ln.gives_access and ln.place not in others)
    if all(line.is_ours for line in rest) or serves(facts, {}):
        # What a package has beside it does no harm.
        rest = tuple(line for line in rest if line.is_ours)
    try:
        good = [line for line in rest if _is_good(facts, line)]
    except MissingFact:
        # Without QEMU's account no rule is known to be good.
        return ()
    rest = tuple(line for line in rest if line not in good)
    served = good and rest and serves(facts, {line.place: "" for line in rest})
    return rest if served else ()


def _of_others(facts: Facts) -> Iterator[FilePlace]:
    """Yield the rules that are about another person's device, and no other."""
    mine: set[tuple[str, int]] = set()
    theirs: set[tuple[str, int]] = set()
    for name, effects in facts[KvmfrRules].devices:
        about = {*effects.matched, *((r.path, r.line) for r in effects.remarks)}
        (theirs if facts[KvmfrAccess].is_anothers(name) else mine).update(about)
    yield from (FilePlace(path, line) for path, line in sorted(theirs - mine))


def _deciding(facts: Facts, lines: tuple[KvmfrLine, ...], key: str) -> list[KvmfrLine]:
    """Return the administrator's lines that decide about MODE or GROUP."""
    found = []
    for _, effects in facts[KvmfrRules].devices:
        part = effects.mode if key == "MODE" else effects.group
        if part:
            found.append(FilePlace(part.path, part.line))
        found += [FilePlace(r.path, r.line) for r in effects.remarks if r.key == key]
    return [line for line in lines if line.is_ours and line.place in found]


def _kept(
    facts: Facts, lines: tuple[KvmfrLine, ...]
) -> tuple[tuple[KvmfrLine, str], ...]:
    """Return the lines with a better mode or group, if that repairs all; else none."""
    for keys in (("MODE",), ("GROUP",), ("GROUP", "MODE")):
        new: dict[FilePlace, str] = {}
        for key in keys:
            value = MODE if key == "MODE" else _group_or_none(facts)
            for line in _deciding(facts, lines, key) if value else ():
                raw = new.get(line.place, line.rule.raw)
                new[line.place] = replace_value(raw, key, value)
        edited = [(ln, new[ln.place]) for ln in lines if ln.place in new]
        changed = tuple((ln, text) for ln, text in edited if ln.rule.raw != text)
        if changed and serves(facts, {line.place: text for line, text in changed}):
            return changed
    return ()


def _group_or_none(facts: Facts) -> str:
    try:
        return qemu_group(facts)
    except (MissingFact, CannotFix):
        return ""


def _by_kept(facts: Facts, lines: tuple[KvmfrLine, ...]) -> GoodKvmfrRule:
    edited = _kept(facts, lines)
    return GoodKvmfrRule(Way.KEPT, edited[0][1].strip(), edited)


def _owned(facts: Facts, lines: tuple[KvmfrLine, ...]) -> list[KvmfrLine]:
    """Return the lines whose user is replaced: nobody else's device is taken.

    A line that udev does not apply is none of them, whatever user it names.
    """
    applied = _applied(facts)
    others = {
        FilePlace(effects.owner.path, effects.owner.line)
        for name, effects in facts[KvmfrRules].devices
        if effects.owner and facts[KvmfrAccess].is_anothers(name)
    }
    owned = [ln for ln in lines if ln.names_owner_in_etc and ln.place in applied]
    return [line for line in owned if line.place not in others]


def _applied(facts: Facts) -> set[FilePlace]:
    """Return the lines that udev applies to a device, or would with other names."""
    found: set[FilePlace] = set()
    for _, effects in facts[KvmfrRules].devices:
        found.update(FilePlace(path, line) for path, line in effects.matched)
        named = (r for r in effects.remarks if r.kind is not Oddity.SYNTAX)
        found.update(FilePlace(remark.path, remark.line) for remark in named)
    return found


def _late(facts: Facts) -> bool:
    """Tell whether a device gets the tag only behind the rules that act on it."""
    tags = [effects.tag("uaccess") for _, effects in facts[KvmfrRules].devices]
    return any(tag and is_too_late(tag.path) for tag in tags)


def _by_owner(facts: Facts, lines: tuple[KvmfrLine, ...]) -> GoodKvmfrRule:
    """Replace the user inside the rules that name one."""
    person, systemd = plain_name(facts[HumanUser].name), facts[KvmfrRules].systemd
    if systemd is not None and systemd.drops_people:
        raise CannotFix(
            say(
                "kvmfr-rule-owner-dropped",
                "systemd {version} drops a rule whose OWNER is a person; use"
                " --access uaccess",
                version=str(systemd),
            )
        )
    if systemd is not None and systemd.drops_people is None:
        raise CannotFix(OWNER_UNSURE.filled(version=str(systemd)))
    owned = _owned(facts, lines)
    if not owned:
        text = rule_of(f'OWNER="{person}"', f'GROUP="{qemu_group(facts)}"')
        return GoodKvmfrRule(Way.OWNER, text)
    edited = [(line, _with_owner(facts, line.rule.raw, person)) for line in owned]
    if _needs_group(facts):
        edited += _with_group(facts, lines, owned)
    return GoodKvmfrRule(Way.OWNER, edited[0][1].strip(), tuple(edited))


def _needs_group(facts: Facts) -> bool:
    """Tell whether the group or mode that the rules give will not do."""
    closed = any(node.qemu is False for node in facts[KvmfrAccess].ruled)
    return closed or bool(_wide(facts))


def _with_group(
    facts: Facts, lines: tuple[KvmfrLine, ...], owned: list[KvmfrLine]
) -> list[tuple[KvmfrLine, str]]:
    """Return the other lines that decide about group and mode, corrected."""
    texts: dict[FilePlace, str] = {}
    for key, value in (("GROUP", qemu_group(facts)), ("MODE", MODE)):
        for line in _deciding(facts, lines, key):
            raw = texts.get(line.place, line.rule.raw)
            texts[line.place] = replace_value(raw, key, value)
    rest = [line for line in lines if line not in owned]
    return [(line, texts[line.place]) for line in rest if line.place in texts]


def _with_owner(facts: Facts, raw: str, person: str) -> str:
    """Return a rule for this person, with a group and mode that let QEMU in."""
    raw = replace_value(raw, "OWNER", person)
    if not _needs_group(facts):
        return raw
    group = qemu_group(facts)
    if has_assignment(raw, "GROUP"):
        raw = replace_value(raw, "GROUP", group)
    else:
        raw = f'{raw.rstrip()}, GROUP="{group}"'
    if has_assignment(raw, "MODE"):
        raw = replace_value(raw, "MODE", MODE)
    return raw


def _by_uaccess(facts: Facts, lines: tuple[KvmfrLine, ...]) -> GoodKvmfrRule:
    group = qemu_group(facts)
    good = [line for line in lines if _is_good(facts, line)]
    text = good[0].rule.raw if good else _by_tag(facts, group)
    return GoodKvmfrRule(Way.UACCESS, text)


def _is_good(facts: Facts, line: KvmfrLine) -> bool:
    """Tell whether a line of `RULE_FILE` is a good rule already, for all devices."""
    given = {term.key: term.value for term in line.rule.terms}
    group = facts[Accounts].group(given.get("GROUP", ""))
    return (
        line.file.path == RULE_FILE
        and len(given) == len(line.rule.terms)
        and set(given) == {"SUBSYSTEM", "GROUP", "MODE", "TAG"}
        and (given["SUBSYSTEM"], given["TAG"]) == (KVMFR, "uaccess")
        and given["MODE"].lstrip("0") == MODE.lstrip("0")
        and group is not None
        and is_system(group.gid)
        and (facts[QemuUser].uid == 0 or group.gid in facts[QemuUser].gids)
    )


def _by_group(facts: Facts, lines: tuple[KvmfrLine, ...]) -> GoodKvmfrRule:
    group = qemu_group(facts)
    person = facts[HumanUser]
    known = facts[Accounts].group(group)
    if known is None or known.gid not in person.gids:
        how = JOIN_GROUP if known is None or known.in_etc else COPY_GROUP
        raise CannotFix(how.filled(person=plain_name(person.name), group=group))
    return GoodKvmfrRule(Way.GROUP, rule_of(f'GROUP="{group}"'))


_MADE = {Way.OWNER: _by_owner, Way.UACCESS: _by_uaccess, Way.GROUP: _by_group}
_MADE[Way.KEPT] = _by_kept


def _by_tag(facts: Facts, group: str) -> str:
    """Return the rule for all devices, without those that are another person's."""
    others = facts[KvmfrAccess].others
    mine = [n for n, _ in facts[KvmfrRules].devices if n not in others]
    which = [f'KERNEL=="{"|".join(mine)}"'] if others else []
    return rule_of(*which, f'GROUP="{group}"') + ', TAG+="uaccess"'


def _for_all(facts: Facts) -> str:
    """Return a rule for every kvmfr device, "" if none can be made."""
    group = _group_or_none(facts)
    return _by_tag(facts, group) if group else ""
