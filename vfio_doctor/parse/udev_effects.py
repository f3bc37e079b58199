"""What a set of udev rule files does to one device, and why a line does nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from fnmatch import fnmatchcase

from vfio_doctor.parse.systemd_versions import SYSTEM_ID_MAX, Systemd, is_system
from vfio_doctor.parse.udev_rules import Fault, Rule, RuleFile, Term
from vfio_doctor.parse.whole_number import ID_DIGITS
from vfio_doctor.value import NamedTuple

PARENT_KEYS = {
    "KERNELS": "KERNEL",
    "SUBSYSTEMS": "SUBSYSTEM",
    "DRIVERS": "DRIVER",
    "ATTRS": "ATTR",
    "TAGS": "TAG",
}


class Device(NamedTuple):
    """The device that rules are applied to.

    ``devpath`` starts with ``/devices/``. ``attributes`` names the sysfs attributes
    it has, their values unknown; None stands for "any may exist".
    """

    kernel: str
    subsystem: str
    action: str = "add"
    devpath: str = ""
    attributes: tuple[str, ...] | None = None


class Names(NamedTuple):
    """How OWNER and GROUP resolve: known names, and the systemd that reads.

    ``systemd`` is None if its version is not known.
    """

    users: Mapping[str, int]
    groups: Mapping[str, int]
    systemd: Systemd | None


class Assigned(NamedTuple):
    """One effect and the line it comes from.

    ``number`` is the uid or gid of an owner or group, -1 for others. ``certain``
    is false if a condition of the line could not be evaluated.
    """

    value: str
    number: int
    path: str
    line: int
    raw: str
    certain: bool


class Oddity(Enum):
    """Why a line does not do what it says."""

    SYNTAX = "syntax"
    UNKNOWN_NAME = "unknown-name"
    NOT_SYSTEM = "not-system"
    DEPRECATED = "deprecated"
    DROPPED_OR_DEPRECATED = "dropped-or-deprecated"
    PREFIX = "prefix"


class Remark(NamedTuple):
    """A line that does not do what it says.

    ``key`` is OWNER, GROUP, the key with the prefix, or "". ``dropped``: the whole
    line does nothing; else only this assignment is ignored (or, deprecated, still
    works). ``fault`` says what is wrong with the syntax, None with other kinds.
    """

    path: str
    line: int
    raw: str
    kind: Oddity
    key: str
    value: str
    dropped: bool
    certain: bool = True
    fault: Fault | None = None

    @property
    def leaves_open(self) -> bool:
        """Tell whether it is not known if the line gives the node to its account."""
        doubtful = self.kind is Oddity.DROPPED_OR_DEPRECATED
        return bool(self.key) and (doubtful or not self.certain)


class Effects(NamedTuple):
    """What udev sets on the node in the end; None if no rule sets it.

    ``matched`` are the lines whose conditions hold, or may; ``programs`` what they
    have udev run, which may change the node afterwards.
    """

    owner: Assigned | None
    group: Assigned | None
    mode: Assigned | None
    tags: tuple[Assigned, ...]
    symlinks: tuple[Assigned, ...]
    remarks: tuple[Remark, ...]
    applied: tuple[tuple[str, int], ...]
    matched: tuple[tuple[str, int], ...] = ()
    programs: tuple[Assigned, ...] = ()

    def tag(self, name: str) -> Assigned | None:
        """Return where a tag was set, or None."""
        return next((tag for tag in self.tags if tag.value == name), None)


def effects(
    files: Iterable[tuple[str, RuleFile]], device: Device, names: Names
) -> Effects:
    """Apply the rule files, in the order given, to one device.

    ``applied`` lists (path, line) of each line that sets something. Conditions on
    what only the running udev knows (PROGRAM, TEST, IMPORT …) make what follows
    from them uncertain instead of guessing.
    """
    event = _Event(device, names)
    for path, rules in files:
        event.run_file(path, rules)
    return Effects(
        event.slots.get("OWNER"),
        event.slots.get("GROUP"),
        event.slots.get("MODE"),
        tuple(event.lists["TAG"].values()),
        tuple(event.lists["SYMLINK"].values()),
        tuple(event.remarks),
        tuple(event.applied),
        tuple(event.matched),
        tuple(event.programs),
    )


def value_matches(pattern: str, text: str, ignore_case: bool = False) -> bool:
    """Tell whether a udev match value, with its ``|`` alternatives, matches."""
    if ignore_case:
        pattern, text = pattern.casefold(), text.casefold()
    return any(_one_matches(one, text) for one in pattern.split("|"))


def _one_matches(pattern: str, text: str) -> bool:
    if not any(char in pattern for char in "*?["):
        return pattern == text
    # C's fnmatch negates with ^ as well and knows the backslash; Python's does not.
    pattern = pattern.replace("[^", "[!")
    for char in "*?[":
        pattern = pattern.replace(f"\\{char}", f"[{char}]")
    return fnmatchcase(text, pattern)


class _Event:
    """The state of one uevent while the rules run."""

    def __init__(self, device: Device, names: Names) -> None:
        self.device = device
        self.names = names
        self.slots: dict[str, Assigned] = {}
        self.lists: dict[str, dict[str, Assigned]] = {"TAG": {}, "SYMLINK": {}}
        self.final: set[str] = set()
        self.maybe_final: set[str] = set()
        self.env: dict[str, str | None] = {
            "ACTION": device.action,
            "SUBSYSTEM": device.subsystem,
            "DEVPATH": device.devpath or None,
            "DEVNAME": f"/dev/{device.kernel}",
            "MAJOR": None,
            "MINOR": None,
        }
        self.env_open = False
        self.remarks: list[Remark] = []
        self.applied: list[tuple[str, int]] = []
        self.matched: list[tuple[str, int]] = []
        self.programs: list[Assigned] = []

    def run_file(self, path: str, rules: RuleFile) -> None:
        skip_to = ""
        unsure: set[str] = set()
        rules = RuleFile(tuple(map(self.without_labels, rules.lines)))
        last = _last_labels(rules)
        for number, rule in enumerate(rules.lines):
            labels = [t.value for t in rule.terms if t.key == "LABEL"]
            skip_to = "" if skip_to in labels else skip_to
            unsure.difference_update(labels)
            if skip_to:
                continue
            holds = self.run_rule(path, rule, certain=not unsure)
            goto = next((t.value for t in rule.terms if t.key == "GOTO"), "")
            if goto and holds is not False and last.get(goto, -1) > number:
                if holds and not unsure:
                    skip_to = goto
                else:
                    unsure.add(goto)

    def without_labels(self, rule: Rule) -> Rule:
        """Take the LABEL and GOTO out of a line that udev drops as it reads it."""
        if not any(self.is_dropped(term) for term in rule.terms):
            return rule
        kept = tuple(t for t in rule.terms if t.key not in ("LABEL", "GOTO"))
        return rule._replace(terms=kept)

    def is_dropped(self, term: Term) -> bool:
        """Tell whether a term has its whole line dropped for certain."""
        version = self.names.systemd
        if version is None:
            return False
        if term.ignore_case:
            return not version.knows_ignore_case
        if term.key not in ("OWNER", "GROUP") or any(c in term.value for c in "$%"):
            return False
        number = self.number(term)
        if number < 0:
            return version.drops_unknown_names
        return bool(version.drops_people) and not is_system(number)

    def is_resolved(self, term: Term) -> bool:
        """Tell whether udev has a number for a name or mode when it reads the line."""
        if term.key == "MODE":
            return _is_octal(term.value)
        named = term.key in ("OWNER", "GROUP")
        return named and not any(char in term.value for char in "$%")

    def run_rule(self, path: str, rule: Rule, certain: bool) -> bool | None:
        """Apply one rule; return whether its conditions hold, None for unknown."""
        if rule.problem:
            self.remark(path, rule, Oddity.SYNTAX, Term("", "", "", ""))
            return False
        holds = self.conditions(rule)
        certain = certain and holds is True
        if holds is False or self.drops(path, rule, certain):
            return False
        self.matched.append((path, rule.last))
        # udev sorts a line's tokens: names and modes that it has resolved come last.
        for term in sorted(rule.terms, key=self.is_resolved):
            if term.key == "RUN" and term.attribute != "builtin":
                made = Assigned(term.value, -1, path, rule.last, rule.raw, certain)
                self.programs.append(made)
            if term.key == "IMPORT":
                self.env_open = True
            elif not term.is_match:
                self.assign(path, rule, term, certain)
        return holds

    def conditions(self, rule: Rule) -> bool | None:
        parents = tuple(t for t in rule.terms if t.key in PARENT_KEYS)
        answers = [self.parents(parents)] if parents else []
        answers.extend(
            self.condition(term)
            for term in rule.terms
            if term.is_match and term.key not in PARENT_KEYS
        )
        return False if False in answers else None if None in answers else True

    def parents(self, terms: tuple[Term, ...]) -> bool | None:
        """Parent keys look at the device itself first, then upwards."""
        own = [self.condition(t._replace(key=PARENT_KEYS[t.key])) for t in terms]
        if all(own):
            return True
        alone = self.device.devpath.startswith("/devices/virtual/")
        return False if alone and False in own else None

    def condition(self, term: Term) -> bool | None:
        if term.key == "ATTR" and self.device.attributes is not None:
            has = term.attribute in self.device.attributes
            # An attribute that is not there fails both == and !=.
            return None if has else False
        text = self.text_of(term)
        if text is None:
            return None
        hit = any(value_matches(term.value, t, term.ignore_case) for t in text)
        return hit == (term.op == "==")

    def text_of(self, term: Term) -> tuple[str, ...] | None:
        """Return what the term is held against, None if that is unknown."""
        device = self.device
        if term.key == "TAG":
            sure = all(tag.certain for tag in self.lists["TAG"].values())
            return tuple(self.lists["TAG"]) if sure else None
        if term.key == "ENV":
            value = self.env.get(term.attribute, None if self.env_open else "")
        else:
            value = {
                "ACTION": device.action,
                "KERNEL": device.kernel,
                "SUBSYSTEM": device.subsystem,
                "DEVPATH": device.devpath or None,
                "DRIVER": ""
                if device.devpath.startswith("/devices/virtual/")
                else None,
            }.get(term.key)
        return None if value is None else (value,)

    def drops(self, path: str, rule: Rule, certain: bool) -> bool:
        """Note names that do not resolve; tell whether the whole line is dropped."""
        version = self.names.systemd
        for term in rule.terms:
            if term.ignore_case and version and not version.knows_ignore_case:
                self.remark(path, rule, Oddity.PREFIX, term)
                return True
            if term.key not in ("OWNER", "GROUP") or "$" in term.value:
                continue
            if "%" in term.value:
                continue
            if self.bad_name(path, rule, term, certain):
                return True
        return False

    def bad_name(self, path: str, rule: Rule, term: Term, certain: bool) -> bool:
        number = self.number(term)
        version = self.names.systemd
        certain_here = certain and version is not None
        if number < 0:
            drop = version is None or version.drops_unknown_names
            self.remark(path, rule, Oddity.UNKNOWN_NAME, term, drop, certain_here)
            return drop
        if is_system(number):
            return False
        if version is None:
            self.remark(path, rule, Oddity.NOT_SYSTEM, term, False, False)
        elif version.drops_people:
            self.remark(path, rule, Oddity.NOT_SYSTEM, term, True, certain)
        elif version.drops_people is None:
            doubtful = Oddity.DROPPED_OR_DEPRECATED
            self.remark(path, rule, doubtful, term, False, certain)
        elif version.warns_of_people:
            self.remark(path, rule, Oddity.DEPRECATED, term, False, certain)
        return bool(version and version.drops_people)

    @property
    def drops_people(self) -> bool | None:
        version = self.names.systemd
        return None if version is None else version.drops_people

    def number(self, term: Term) -> int:
        if term.value.isascii() and term.value.isdigit():
            # More digits than any account's number has: udev takes it for a name.
            return int(term.value) if len(term.value) <= ID_DIGITS else -1
        table = self.names.users if term.key == "OWNER" else self.names.groups
        return table.get(term.value, -1)

    def remark(
        self,
        path: str,
        rule: Rule,
        kind: Oddity,
        term: Term,
        dropped: bool = True,
        certain: bool = True,
    ) -> None:
        name = (path, rule.last, rule.raw, kind, term.key, term.value)
        self.remarks.append(Remark(*name, dropped, certain, rule.problem))

    def assign(self, path: str, rule: Rule, term: Term, certain: bool) -> None:
        if term.key == "ENV":
            self.env[term.attribute] = term.value if certain else None
        if term.key not in ("OWNER", "GROUP", "MODE", "TAG", "SYMLINK"):
            return
        if term.key in self.final:
            return
        certain = certain and term.key not in self.maybe_final
        if term.op == ":=" and term.key != "TAG":
            (self.final if certain else self.maybe_final).add(term.key)
        self.applied.append((path, rule.last))
        number = self.number(term) if term.key in ("OWNER", "GROUP") else -1
        plain = not any(char in term.value for char in "$%")
        made = Assigned(
            term.value, number, path, rule.last, rule.raw, certain and plain
        )
        if term.key in self.lists:
            self.change_list(term, made)
        elif term.key == "MODE":
            self.set_mode(made)
        else:
            self.set_slot(term.key, made)

    def set_slot(self, key: str, made: Assigned) -> None:
        # Before systemd 258 an unknown name unsets what an earlier line had set.
        if made.number < 0 and made.certain:
            self.slots.pop(key, None)
            return
        if made.number > SYSTEM_ID_MAX and self.drops_people is None:
            made = made._replace(certain=False)
        self.slots[key] = made

    def set_mode(self, made: Assigned) -> None:
        if _is_octal(made.value):
            self.slots["MODE"] = made
        elif not made.certain:
            self.slots["MODE"] = made._replace(value="0600")

    def change_list(self, term: Term, made: Assigned) -> None:
        table = self.lists[term.key]
        values = term.value.split() if term.key == "SYMLINK" else [term.value]
        if term.op in ("=", ":=") and made.certain:
            table.clear()
        for value in values:
            if term.op != "-=":
                table.setdefault(value, made._replace(value=value))
            elif made.certain:
                table.pop(value, None)
            elif value in table:
                table[value] = table[value]._replace(certain=False)


def _is_octal(text: str) -> bool:
    octal = text.isascii() and text.isdigit() and not set("89") & set(text)
    return octal and int(text, 8) <= 0o7777


def _last_labels(rules: RuleFile) -> dict[str, int]:
    """Return where each label stands last: a GOTO goes down, or is ignored."""
    return {
        term.value: number
        for number, rule in enumerate(rules.lines)
        for term in rule.terms
        if term.key == "LABEL"
    }
