"""Repair who may open the kvmfr device: the udev rule, then the node."""

from __future__ import annotations

from typing import NamedTuple

from vfio_doctor.api import (
    Accounts,
    CannotFix,
    Change,
    DeleteFile,
    EditLine,
    Facts,
    Finding,
    Fix,
    HumanUser,
    Iterator,
    KvmfrAccess,
    KvmfrRules,
    QemuUser,
    Rule,
    UdevFile,
    UdevRules,
    UdevTrigger,
    WriteFile,
    has_assignment,
    is_system_id,
    parse_udev_rules,
    replace_value,
    say,
)

ETC = "/etc/udev/rules.d/"
NEW_RULE = f"{ETC}70-kvmfr.rules"
SEAT_LATE = "73-seat-late.rules"
# From 258 on systemd drops lines whose owner is a person (systemd/systemd#36123);
# 260 takes them again, and says that it will stop to.
DROPS_PEOPLE = 258
TAKES_PEOPLE_AGAIN = 260
MODE = "0660"
FOR_ALL = 0o002
ACCESS = frozenset({"OWNER", "GROUP", "MODE"})
RECIPE_TERMS = frozenset({"SUBSYSTEM", "TAG"}) | ACCESS
RECIPE_GROUPS = frozenset({"kvm", "qemu"})
NAME_SIGNS = frozenset("_.@-")


class Line(NamedTuple):
    """A rule that names kvmfr, and the file that it stands in."""

    file: UdevFile
    rule: Rule

    @property
    def place(self) -> str:
        """Return the subject that findings about this rule have."""
        return f"{self.file.path}:{self.rule.last}"

    @property
    def gives_access(self) -> bool:
        """Tell whether it says who may open the node, or cannot be read."""
        return bool(self.rule.problem) or any(
            term.key in ACCESS or (term.key, term.value) == ("TAG", "uaccess")
            for term in self.rule.terms
            if not term.is_match
        )

    @property
    def does_more(self) -> str:
        """Return another thing that the rule sets, "" where access is all."""
        for term in self.rule.terms:
            if not term.is_match and term.key not in ACCESS | {"TAG"}:
                return term.key
        return ""


class GrantKvmfrAccess(Fix):
    """Lets you and QEMU open the kvmfr device, and nobody else.

    Below systemd 258 the user in the rule that is there is replaced in place and
    every other key, comment and line stays. From 258 on, where lines that name a
    person are dropped or deprecated, and where there is no such line, the rule is
    `70-kvmfr.rules` with `TAG+="uaccess"` and a group that QEMU is in. A rule
    file of another name is removed only where it holds nothing but the one line
    that a known setup recipe wrote; in other files the line is made a comment.
    `--access owner|uaccess|group` decides otherwise. Where the rules are right and
    were not applied to the node yet, no file is changed: udev is told to apply them.
    """

    id = "grant-kvmfr-access"
    solves = (
        "kvmfr-device-owner",
        "kvmfr-group-unknown",
        "kvmfr-rule-owner",
        "kvmfr-rule-too-late",
    )
    summary = "Write the udev rule so that you and QEMU can open the device"

    def propose(self, finding: Finding, facts: Facts) -> Iterator[Change]:
        """Yield the rule, and the event that has it applied."""
        unread = dict(facts[KvmfrRules].unread)
        if finding.subject in unread:
            yield from _stray(facts, finding.subject, unread[finding.subject])
            return
        lines = tuple(_lines(facts))
        way = facts.options.access
        if way == "auto" and _only_untriggered(facts, finding.subject):
            yield UdevTrigger("kvmfr")
            return
        if way == "auto":
            way = _best_way(facts, lines)
        if way == "owner":
            yield from _owner(facts, lines, finding.subject)
        elif way == "group":
            yield from _group(facts, lines)
        else:
            yield from _uaccess(facts, lines)
        yield UdevTrigger("kvmfr")


def _lines(facts: Facts) -> Iterator[Line]:
    for file in facts[UdevRules].files:
        for rule in file.rules.lines:
            if "kvmfr" in rule.raw:
                yield Line(file, rule)


def _best_way(facts: Facts, lines: tuple[Line, ...]) -> str:
    """Return ``owner`` where replacing the user in place repairs all."""
    ours = [line for line in lines if line.file.path.startswith(ETC)]
    names_owner = any(has_assignment(line.rule.raw, "OWNER") for line in ours)
    keeps_people = 0 < facts[KvmfrRules].systemd < DROPS_PEOPLE
    return "owner" if names_owner and keeps_people and not _late(facts) else "uaccess"


def _only_untriggered(facts: Facts, subject: str) -> bool:
    """Tell whether the rules are right for this node, and were not applied to it.

    So it is where the module was loaded before the rule was written, or by a
    system whose udev had not started. A rule that opens the node to everybody is
    not right, and one that tags it late counts from the next login on only.
    """
    if _late(facts):
        return False
    modes = {name: effects.mode for name, effects in facts[KvmfrRules].devices}
    for node in facts[KvmfrAccess].ruled:
        mode = modes.get(node.name)
        wide = mode is not None and bool(int(mode.value, 8) & FOR_ALL)
        if subject == f"/dev/{node.name}" and node.human and node.qemu:
            return not wide
    return False


def _late(facts: Facts) -> bool:
    """Tell whether a device gets the tag only behind the rules that act on it."""
    tags = [effects.tag("uaccess") for _, effects in facts[KvmfrRules].devices]
    return any(tag and tag.path.rpartition("/")[2] >= SEAT_LATE for tag in tags)


def _plain(name: str) -> str:
    """Return a name that means itself in a rule; refuse others.

    udev puts values in for ``%`` and ``$``, and a quote would end the value.
    """
    signs = frozenset(name) - NAME_SIGNS
    if not name.isascii() or not all(sign.isalnum() for sign in signs) or not signs:
        raise CannotFix(f"{name!r} is not a name that may stand in a udev rule")
    return name


def _qemu_group(facts: Facts) -> str:
    """Return a group that lets QEMU in and that this systemd accepts.

    Raises `CannotFix` where there is none; `MissingFact` without libvirt.
    """
    name = facts[KvmfrAccess].group or facts[QemuUser].group
    accounts, systemd = facts[Accounts], facts[KvmfrRules].systemd
    group = accounts.group(name)
    if group is None:
        raise CannotFix(f"QEMU's group {name!r} is in no account file of this host")
    if is_system_id(group.gid) or 0 < systemd < DROPS_PEOPLE:
        return _plain(name)
    kvm = accounts.group("kvm")
    if facts[QemuUser].uid == facts[HumanUser].uid and kvm is not None:
        return "kvm"
    raise CannotFix(
        f"QEMU's group {name} is not a system group, which systemd {systemd} does not "
        "take; add QEMU's account to the group kvm"
    )


def _owner(facts: Facts, lines: tuple[Line, ...], subject: str) -> Iterator[Change]:
    """Replace the user inside the rules that name one."""
    person, systemd = _plain(facts[HumanUser].name), facts[KvmfrRules].systemd
    if DROPS_PEOPLE <= systemd < TAKES_PEOPLE_AGAIN:
        raise CannotFix(
            f"systemd {systemd} drops a rule whose OWNER is a person; "
            "use --access uaccess"
        )
    owned = [
        line
        for line in lines
        if line.file.path.startswith(ETC) and has_assignment(line.rule.raw, "OWNER")
    ]
    chosen = [line for line in owned if line.place == subject] or owned
    if not chosen:
        text = _rule(f'OWNER="{person}"', f'GROUP="{_qemu_group(facts)}"')
        yield from _write_new(facts, lines, text)
        return
    changed = [(line, _with_owner(facts, line.rule.raw, person)) for line in chosen]
    changes = [each for line, new in changed for each in _edited(line, new)]
    if not changes:
        raise CannotFix(
            "the rule names the right user and group already; another rule or "
            "program changes the device later"
        )
    yield from changes


def _with_owner(facts: Facts, raw: str, person: str) -> str:
    """Return a rule for this person, with a group and mode that let QEMU in."""
    raw = replace_value(raw, "OWNER", person)
    if not any(node.qemu is False for node in facts[KvmfrAccess].ruled):
        return raw
    group = _qemu_group(facts)
    if has_assignment(raw, "GROUP"):
        raw = replace_value(raw, "GROUP", group)
    else:
        raw = f'{raw.rstrip()}, GROUP="{group}"'
    if has_assignment(raw, "MODE"):
        raw = replace_value(raw, "MODE", MODE)
    return raw


def _uaccess(facts: Facts, lines: tuple[Line, ...]) -> Iterator[Change]:
    text = _rule(f'GROUP="{_qemu_group(facts)}"', 'TAG+="uaccess"')
    yield from _write_new(facts, lines, text)


def _group(facts: Facts, lines: tuple[Line, ...]) -> Iterator[Change]:
    group = _qemu_group(facts)
    person = facts[HumanUser]
    known = facts[Accounts].group(group)
    if known is None or known.gid not in person.gids:
        raise CannotFix(
            f"{person.name} is not in the group {group}: run "
            f"`sudo usermod -aG {group} {_plain(person.name)}`, log in again, then "
            "--fix"
        )
    yield from _write_new(facts, lines, _rule(f'GROUP="{group}"'))


def _rule(*terms: str) -> str:
    parts = ['SUBSYSTEM=="kvmfr"', *terms]
    tail = [part for part in parts if part.startswith("TAG")]
    head = [part for part in parts if not part.startswith("TAG")]
    return ", ".join([*head, f'MODE="{MODE}"', *tail])


def _write_new(facts: Facts, lines: tuple[Line, ...], text: str) -> Iterator[Change]:
    """Put the rule into its file; take what contradicts it away."""
    obsolete = [line for line in lines if line.gives_access]
    here = [line for line in obsolete if line.file.path == NEW_RULE]
    if not any(line.rule.raw == text for line in here):
        yield from _put(here, text)
    for line in obsolete:
        if line.file.path == NEW_RULE:
            if line.rule.raw != text and line not in here[:1]:
                yield from _commented(line)
        elif is_recipe(line.file):
            yield _out_of_the_way(facts, line.file.path)
        else:
            yield from _commented(line)


def _put(here: list[Line], text: str) -> Iterator[Change]:
    """Yield the rule in place of the first one that its file has."""
    if not here:
        yield EditLine(NEW_RULE, "", text)
        return
    _only_access(here[0])
    first, *rest = _physical(here[0])
    yield EditLine(NEW_RULE, first, text)
    for line in dict.fromkeys(rest):
        if not line.lstrip().startswith("#"):
            yield EditLine(NEW_RULE, line, None)


def _out_of_the_way(facts: Facts, path: str) -> Change:
    """Remove a recipe's file; hide one of the system by one of the same name."""
    if path.startswith(ETC):
        return DeleteFile(
            path, say("delete-replaced-rule", "{path} takes its place", path=NEW_RULE)
        )
    name = path.rpartition("/")[2]
    return WriteFile(f"{ETC}{name}", f"# Hides {path}: {NEW_RULE} takes its place.\n")


def _only_access(line: Line) -> None:
    more = line.does_more
    if more:
        raise CannotFix(
            f"{line.place} also sets {more}, so it is left as it is; take OWNER, "
            "GROUP, MODE and TAG out of it by hand, then --fix"
        )


def _commented(line: Line) -> Iterator[Change]:
    """Make a rule a comment, each of its lines; refuse where it does more."""
    _only_access(line)
    if not line.file.path.startswith(ETC):
        raise CannotFix(
            f"{line.place} belongs to a package; copy the file to {ETC} without "
            "that line"
        )
    for each in dict.fromkeys(_physical(line)):
        if not each.lstrip().startswith("#"):
            yield EditLine(line.file.path, each, f"# {each}")


def _edited(line: Line, new: str) -> Iterator[Change]:
    """Edit a rule inside its own lines."""
    after = [part.removesuffix("\r") for part in new.split("\n")]
    before = _physical(line)
    if len(after) != len(before):
        raise CannotFix(f"{line.place}: the value runs over two lines; edit by hand")
    for old, edited in dict.fromkeys(zip(before, after, strict=True)):
        if old != edited:
            yield EditLine(line.file.path, old, edited)


def _physical(line: Line) -> list[str]:
    """Return the rule's lines; refuse where another rule shares one of them."""
    parts = [part.removesuffix("\r") for part in line.rule.raw.split("\n")]
    others = [
        part.removesuffix("\r")
        for rule in line.file.rules.lines
        if rule.raw != line.rule.raw
        for part in rule.raw.split("\n")
    ]
    if any(part in others for part in parts):
        raise CannotFix(
            f"{line.place}: a part of this rule stands in another rule too; "
            "edit it by hand"
        )
    return parts


def _stray(facts: Facts, path: str, text: str) -> Iterator[Change]:
    """Replace a file that udev never reads, since its name lacks ``.rules``."""
    if not is_recipe(UdevFile(path, text, parse_udev_rules(text))):
        raise CannotFix(
            f"{path} holds more than a known recipe's line, so it is left: rename it "
            "so that it ends in .rules, or remove it"
        )
    access = facts[KvmfrAccess].ruled
    if not access or not all(node.human and node.qemu for node in access):
        yield EditLine(
            NEW_RULE, "", _rule(f'GROUP="{_qemu_group(facts)}"', 'TAG+="uaccess"')
        )
    yield DeleteFile(
        path,
        say(
            "delete-unread-rule", "udev never reads it: its name does not end in .rules"
        ),
    )
    yield UdevTrigger("kvmfr")


def is_recipe(file: UdevFile) -> bool:
    """Tell whether a file holds only the one line that a setup recipe wrote.

    The known ones are those of Bluefin, Aurora and Bazzite and of the Looking
    Glass documentation, old and new: owner, group kvm or qemu, mode 0660, the tag
    uaccess, in any order, and nothing else in the file.
    """
    if (
        len(file.rules.lines) != 1
        or file.text.strip() != file.rules.lines[0].raw.strip()
    ):
        return False
    terms = file.rules.lines[0].terms
    given = {term.key: term.value for term in terms}
    return (
        len(given) == len(terms)
        and set(given) <= RECIPE_TERMS
        and given.get("SUBSYSTEM") == "kvmfr"
        and given.get("GROUP") in RECIPE_GROUPS
        and given.get("MODE") == MODE
        and given.get("TAG", "uaccess") == "uaccess"
    )
