"""Repair who may open the kvmfr device: the udev rule, then the node."""

from __future__ import annotations

from vfio_doctor.api import (
    IDLE_TAG,
    RULE_FILE,
    CannotFix,
    Change,
    DeleteFile,
    EditLine,
    Facts,
    FilePlace,
    Finding,
    Fix,
    Generated,
    GoodKvmfrRule,
    HumanUser,
    Iterator,
    KvmfrAccess,
    KvmfrLine,
    KvmfrRules,
    Message,
    NamedTuple,
    NodePlace,
    Rule,
    Terms,
    UdevFile,
    UdevTrigger,
    UnconditionalRules,
    WriteFile,
    kvmfr_lines,
    parse_udev_rules,
    say,
)

ETC = "/etc/udev/rules.d/"
ACCESS = frozenset({"OWNER", "GROUP", "MODE"})
RECIPE_TERMS = frozenset({"SUBSYSTEM", "TAG"}) | ACCESS
RECIPE_GROUPS = frozenset({"kvm", "qemu"})
TRIGGER = UdevTrigger("kvmfr")
REPLACED = say("delete-replaced-rule", "{path} takes its place", path=RULE_FILE)
ONLY_TRIGGER = say(
    "grant-kvmfr-trigger", "Trigger udev again, so that the rule is applied"
)
RESET = say(
    "grant-kvmfr-reset",
    "{places}: the rule is right, but its RUN changes owner, group or mode after it;"
    " udev would run that again: take it out by hand",
)
AT_SCREEN = say(
    "grant-kvmfr-at-screen",
    "the rule is right, and serves whoever sits at the screen; --access owner or group"
    " serves you elsewhere, too",
)
WHILE_AT_SCREEN = say(
    "grant-kvmfr-while-at-screen",
    "Write the udev rule so that QEMU can open the device, and {user} while at the"
    " screen, which is not so now (`--access {way}` lets {user} in anywhere)",
)
ONLY_LEFTOVER = say(
    "grant-kvmfr-leftover", "Take the leftover rule away; the good one stays as it is"
)
ANOTHERS = say(
    "grant-kvmfr-anothers",
    "the device is another person's, and its rule stays as it is",
)
FOR_EVERY_DEVICE = say(
    "grant-kvmfr-for-every-device",
    "the rule counts for every device, and what it was to be only you know",
)
NO_GROUP = say(
    "grant-kvmfr-no-group", "no group is known that QEMU's account is a member of"
)
RULE_IS_RIGHT = say(
    "grant-kvmfr-rule-is-right",
    "{places}: user, group and mode are right there already; what else decides who may"
    " open the device cannot be edited",
)
OF_PACKAGE = say(
    "grant-kvmfr-rule-of-package",
    "{place} belongs to a package; copy the file to {folder} without that line",
)
WOULD_HIDE = say(
    "grant-kvmfr-would-hide",
    "{rule} would hide {path}, which holds other rules, too; copy it there and correct"
    " the copy",
)
NEVER_READ = say(
    "delete-unread-rule", "udev never reads it: its name does not end in .rules"
)


# By a file's path, the lines that stand in more than one of its rules.
Shared = dict[str, frozenset[str]]


class GrantKvmfrAccess(Fix):
    """Lets you and QEMU open the kvmfr device, and nobody else.

    If only the mode or the group is wrong, it is corrected in its line. A rule that
    stands beside a good 70-kvmfr.rules without need is taken away, and the line of
    another person's device is left alone.

    Below systemd 258 the user in the rule that is there is replaced in place and
    every other key, comment and line stays. From 258 on lines that name a person
    are dropped or deprecated: then, and if there is no such line, the rule is
    `70-kvmfr.rules` with `TAG+="uaccess"` and a group that QEMU is in. A rule
    file of another name is removed only if it holds nothing but the one line that
    a known setup recipe wrote; in other files the line is made a comment.
    `--access owner|uaccess|group` decides otherwise. If the rules are right and
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

    def propose(self, finding: Finding, facts: Facts) -> Iterator[Change | Terms]:
        """Yield the rule, and the event that has it applied."""
        _has_condition(facts, finding)
        if finding.message.id != IDLE_TAG.id:
            yield from _access(finding, facts)
            yield TRIGGER


def _access(finding: Finding, facts: Facts) -> Iterator[Change | Terms]:
    """Yield what puts the rule right that a finding is about, if any is wrong."""
    match finding.place:
        case FilePlace(path) if path in dict(facts[KvmfrRules].unread):
            yield from _stray(facts, path)
        case NodePlace(path) if _waits_for_seat(facts, path):
            raise CannotFix(AT_SCREEN)
        case NodePlace(path) if facts[KvmfrAccess].is_anothers(path[len("/dev/") :]):
            raise CannotFix(ANOTHERS)
        case NodePlace(path) if _is_reset(facts, path):
            raise CannotFix(RESET.filled(places=_resetting(facts, path)))
        case NodePlace(path) if _is_right(facts, path):
            yield Terms(ONLY_TRIGGER)
        case _ if facts[GoodKvmfrRule].generated:
            facts[Generated].refuse()
        case NodePlace(path) if _has_no_rule(facts, path):
            yield EditLine(RULE_FILE, "", _good_line(facts))
        case _:
            if facts[GoodKvmfrRule].leftover:
                yield Terms(ONLY_LEFTOVER)
            elif facts[GoodKvmfrRule].away:
                yield Terms(_at_screen(facts))
            yield from _rule(facts)


def _has_condition(facts: Facts, finding: Finding) -> None:
    """Raise `CannotFix` if the rule counts for every device."""
    if finding.place in facts[UnconditionalRules].places:
        raise CannotFix(FOR_EVERY_DEVICE)


def _at_screen(facts: Facts) -> Message:
    way = facts[GoodKvmfrRule].way_without_seat
    return WHILE_AT_SCREEN.filled(user=facts[HumanUser].name, way=way)


def _waits_for_seat(facts: Facts, path: str) -> bool:
    """Tell whether a rule is right that serves its person at the screen only."""
    name, access = path.removeprefix("/dev/"), facts[KvmfrAccess]
    open_now = any(n.name == name and n.nobody_locked_out for n in access.now)
    ruled = any(n.name == name and n.nobody_locked_out for n in access.ruled)
    away = name in access.at_screen and facts.options.access == "auto"
    return away and open_now and ruled


def _has_no_rule(facts: Facts, path: str) -> bool:
    """Tell whether no rule is about a device, while others have theirs."""
    devices = dict(facts[KvmfrRules].devices)
    effects = devices.get(path.removeprefix("/dev/"))
    named = any(each.matched for each in devices.values())
    return effects is not None and not effects.matched and named


def _good_line(facts: Facts) -> str:
    good = facts[GoodKvmfrRule]
    if good.cannot or not good.for_all:
        raise CannotFix(good.cannot or NO_GROUP)
    return good.for_all


def _is_reset(facts: Facts, path: str) -> bool:
    """Tell whether the rules are right, but for a program that undoes them."""
    return _is_right(facts, path) and bool(_resetting(facts, path))


def _resetting(facts: Facts, path: str) -> tuple[str, ...]:
    found = facts[KvmfrRules].resetting(path.removeprefix("/dev/"))
    return tuple(str(place) for place in found)


def _is_right(facts: Facts, path: str) -> bool:
    return path.removeprefix("/dev/") in facts[GoodKvmfrRule].untriggered


def _rule(facts: Facts) -> Iterator[Change]:
    """Yield what puts the good rule in force, where the faulty one stands or anew."""
    good = facts[GoodKvmfrRule]
    if good.cannot:
        raise CannotFix(good.cannot)
    if not good.edited:
        new = facts[NewRule]
        if new.cannot:
            raise CannotFix(new.cannot)
        yield from new.changes
        return
    shared = facts[SharedLines].by_file
    changes = [c for line, new in good.edited for c in _edited(line, new, shared)]
    if not changes:
        places = tuple(str(line.place) for line, _ in good.edited)
        raise CannotFix(RULE_IS_RIGHT.filled(places=places))
    yield from changes


class SharedLines(NamedTuple):
    """The lines of each rule file that stand in more than one rule."""

    by_file: Shared

    @classmethod
    def collect(cls, host: object, facts: Facts) -> SharedLines:
        """Look at every file that has a rule about the device."""
        files = {line.file.path: line.file for line in kvmfr_lines(facts)}
        return cls({path: _in_several(file) for path, file in files.items()})


class NewRule(NamedTuple):
    """What puts the good rule into its file, or why that cannot be done."""

    changes: tuple[Change, ...] = ()
    cannot: Message | None = None

    @classmethod
    def collect(cls, host: object, facts: Facts) -> NewRule:
        """Work it out once for all findings of a host."""
        good, shared = facts[GoodKvmfrRule], facts[SharedLines].by_file
        lines = [ln for ln in kvmfr_lines(facts) if ln.place not in good.of_others]
        try:
            return cls(tuple(_write_new(lines, good.line, shared)))
        except CannotFix as reason:
            return cls(cannot=reason.message)


def _in_several(file: UdevFile) -> frozenset[str]:
    owner: dict[str, str] = {}
    several: set[str] = set()
    for rule in file.rules.lines:
        for part in rule.raw.split("\n"):
            bare = part.removesuffix("\r")
            if owner.setdefault(bare, rule.raw) != rule.raw:
                several.add(bare)
    return frozenset(several)


def _write_new(lines: list[KvmfrLine], text: str, shared: Shared) -> Iterator[Change]:
    """Put the rule into its file; take what contradicts it away."""
    obsolete = [line for line in lines if line.gives_access]
    here = [line for line in obsolete if line.file.path == RULE_FILE]
    stands = any(line.rule.raw == text for line in here)
    if not stands:
        _refuse_to_hide(lines)
        yield from _put(here, text, shared)
    for line in obsolete:
        if line.file.path == RULE_FILE:
            if line.rule.raw != text and (stands or line not in here[:1]):
                yield from _commented(line, shared)
        elif is_recipe(line.file) or _hides_whole(line.file):
            if not _is_namesake(line.file):
                yield _out_of_the_way(line.file.path)
        else:
            yield from _commented(line, shared)


def _put(here: list[KvmfrLine], text: str, shared: Shared) -> Iterator[Change]:
    """Yield the rule in place of the first one that its file has."""
    if not here:
        yield EditLine(RULE_FILE, "", text)
        return
    _only_access(here[0])
    first, *rest = _physical(here[0], shared)
    yield EditLine(RULE_FILE, first, text)
    for line in dict.fromkeys(rest):
        if not line.lstrip().startswith("#"):
            yield EditLine(RULE_FILE, line, None)


def _is_namesake(file: UdevFile) -> bool:
    """Tell whether udev reads `RULE_FILE` in place of a file of the system."""
    return file.path != RULE_FILE and _name(file.path) == _name(RULE_FILE)


def _refuse_to_hide(lines: list[KvmfrLine]) -> None:
    """Refuse to write `RULE_FILE` if it would hide rules about something else."""
    for line in lines:
        if _is_namesake(line.file) and not _hides_whole(line.file):
            raise CannotFix(WOULD_HIDE.filled(path=line.file.path, rule=RULE_FILE))


def _hides_whole(file: UdevFile) -> bool:
    """Tell whether a file of the system holds rules about access to kvmfr only."""
    if file.path.startswith(ETC):
        return False
    return all(_is_about_access(rule) for rule in file.rules.lines)


def _is_about_access(rule: Rule) -> bool:
    matches = {term.key: term.value for term in rule.terms if term.is_match}
    named = matches.get("SUBSYSTEM") == "kvmfr" or matches.get("KERNEL", "").startswith(
        "kvmfr"
    )
    sets = {term.key for term in rule.terms if not term.is_match}
    return named and sets <= ACCESS | {"TAG"}


def _out_of_the_way(path: str) -> Change:
    """Remove a recipe's file; hide one of the system by one of the same name."""
    if path.startswith(ETC):
        return DeleteFile(path, REPLACED)
    text = f"# Hides {path}: {RULE_FILE} takes its place.\n"
    return WriteFile(f"{ETC}{_name(path)}", text)


def _name(path: str) -> str:
    """Return a file's name: that of the administrator hides a package's."""
    return path.rpartition("/")[2]


def _only_access(line: KvmfrLine) -> None:
    """Refuse a rule that sets something else, too."""
    for term in line.rule.terms:
        if not term.is_match and term.key not in ACCESS | {"TAG"}:
            raise CannotFix(
                say(
                    "grant-kvmfr-rule-does-more",
                    "{place} also sets {key}, so it is left as it is; take OWNER,"
                    " GROUP, MODE and TAG out of it by hand",
                    place=str(line.place),
                    key=term.key,
                )
            )


def _commented(line: KvmfrLine, shared: Shared) -> Iterator[Change]:
    """Make a rule a comment, each of its lines; refuse if it does more."""
    _only_access(line)
    if not line.file.path.startswith(ETC):
        raise CannotFix(OF_PACKAGE.filled(place=str(line.place), folder=ETC))
    for each in dict.fromkeys(_physical(line, shared)):
        if not each.lstrip().startswith("#"):
            yield EditLine(line.file.path, each, f"# {each}")


def _edited(line: KvmfrLine, new: str, shared: Shared) -> Iterator[Change]:
    """Edit a rule inside its own lines."""
    after = [part.removesuffix("\r") for part in new.split("\n")]
    before = _physical(line, shared)
    if len(after) != len(before):
        raise _by_hand(line, TWO_LINES)
    for old, edited in dict.fromkeys(zip(before, after, strict=True)):
        if old != edited:
            yield EditLine(line.file.path, old, edited)


def _physical(line: KvmfrLine, shared: Shared) -> list[str]:
    """Return the rule's lines; refuse if another rule shares one of them."""
    parts = [part.removesuffix("\r") for part in line.rule.raw.split("\n")]
    if not shared[line.file.path].isdisjoint(parts):
        raise _by_hand(line, SHARED)
    return parts


TWO_LINES = say(
    "grant-kvmfr-value-over-two-lines",
    "{place}: the value runs over two lines; edit it by hand",
)
SHARED = say(
    "grant-kvmfr-shared-line",
    "{place}: a part of this rule stands in another rule too; edit it by hand",
)


def _by_hand(line: KvmfrLine, why: Message) -> CannotFix:
    return CannotFix(why.filled(place=str(line.place)))


def _stray(facts: Facts, path: str) -> Iterator[Change]:
    """Replace a file that udev never reads, since its name lacks ``.rules``."""
    text = dict(facts[KvmfrRules].unread)[path]
    if not is_recipe(UdevFile(path, text, parse_udev_rules(text))):
        raise CannotFix(
            say(
                "grant-kvmfr-unread-file-holds-more",
                "{path} holds more than a known recipe's line, so it is left: rename"
                " it so that it ends in .rules, or remove it",
                path=path,
            )
        )
    access = facts[KvmfrAccess].ruled
    if not access or not all(node.human and node.qemu for node in access):
        yield from _rule(facts)
    yield DeleteFile(path, NEVER_READ)


def is_recipe(file: UdevFile) -> bool:
    """Tell whether a file holds only the one line that a setup recipe wrote.

    The known ones are those of Bluefin, Aurora and Bazzite and of the Looking
    Glass documentation, old and new: owner, group kvm or qemu, mode 0660, the tag
    uaccess, in any order, and nothing else in the file.
    """
    rules = file.rules.lines
    if len(rules) != 1 or file.text.strip() != rules[0].raw.strip():
        return False
    terms = rules[0].terms
    given = {term.key: term.value for term in terms}
    return (
        len(given) == len(terms)
        and set(given) <= RECIPE_TERMS
        and given.get("SUBSYSTEM") == "kvmfr"
        and given.get("GROUP") in RECIPE_GROUPS
        and given.get("MODE") == "0660"
        and given.get("TAG", "uaccess") == "uaccess"
    )
