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
    Rule,
    SystemdVersion,
    UdevFile,
    UdevRules,
    UdevTrigger,
    WriteFile,
    has_assignment,
    replace_value,
)

ETC = "/etc/udev/rules.d/"
NEW_RULE = f"{ETC}70-kvmfr.rules"
SEAT_LATE = "73-seat-late.rules"
# From 258 on systemd drops lines whose owner is a person (systemd/systemd#36123);
# 260 takes them again, and says that it will stop to.
DROPS_PEOPLE = 258
KEPT_GROUP_MODE = "0660"
RECIPE_TERMS = frozenset({"SUBSYSTEM", "OWNER", "GROUP", "MODE", "TAG"})
RECIPE_GROUPS = frozenset({"kvm", "qemu"})


class Line(NamedTuple):
    """A rule below ``/etc`` that names kvmfr: its file and the rule."""

    file: UdevFile
    rule: Rule


class GrantKvmfrAccess(Fix):
    """Lets you and QEMU open the kvmfr device, and nobody else.

    Below systemd 258 the user in the rule that is there is replaced in place and
    every other key, comment and line stays. From 258 on, where lines that name a
    person are dropped or deprecated, and where there is no such line, the rule is
    `70-kvmfr.rules` with `TAG+="uaccess"` and a group that QEMU is in. A rule
    file of another name is removed only where it holds nothing but the one line
    that a known setup recipe wrote. `--access owner|uaccess|group` decides
    otherwise.
    """

    id = "grant-kvmfr-access"
    solves = (
        "kvmfr-device-owner",
        "kvmfr-group-unknown",
        "kvmfr-rule-owner",
        "kvmfr-rule-too-late",
    )
    summary = "Write the udev rule so that you and QEMU can open the device"
    needs = (Accounts, HumanUser, KvmfrAccess, KvmfrRules, SystemdVersion, UdevRules)

    def propose(self, finding: Finding, facts: Facts) -> Iterator[Change]:
        """Yield the rule, and the event that has it applied."""
        lines = tuple(_lines(facts))
        way = facts.options.access
        if way == "auto":
            way = _best_way(facts, lines)
        if not facts[KvmfrAccess].group and way != "owner":
            raise CannotFix("QEMU's account is not known here: is libvirt installed?")
        ways = {"owner": _owner, "uaccess": _uaccess, "group": _group}
        yield from ways[way](facts, lines)
        yield UdevTrigger("kvmfr")


def _lines(facts: Facts) -> Iterator[Line]:
    for file in facts[UdevRules].files:
        if file.path.startswith(ETC):
            for rule in file.rules.lines:
                if "kvmfr" in rule.raw:
                    yield Line(file, rule)


def _best_way(facts: Facts, lines: tuple[Line, ...]) -> str:
    names_owner = any(has_assignment(line.rule.raw, "OWNER") for line in lines)
    if names_owner and facts[SystemdVersion].number < DROPS_PEOPLE:
        return "owner"
    return "uaccess"


def _owner(facts: Facts, lines: tuple[Line, ...]) -> Iterator[Change]:
    """Replace the user inside the rules that name one."""
    person, systemd = facts[HumanUser], facts[SystemdVersion].number
    if DROPS_PEOPLE <= systemd < DROPS_PEOPLE + 2:
        raise CannotFix(
            f"systemd {systemd} drops a rule whose OWNER is a person; "
            "use --access uaccess"
        )
    owned = [line for line in lines if has_assignment(line.rule.raw, "OWNER")]
    if not owned:
        group = facts[KvmfrAccess].group or "kvm"
        text = _rule(f'OWNER="{person.name}"', f'GROUP="{group}"')
        yield from _write_new(facts, lines, text)
        return
    access = facts[KvmfrAccess]
    wrong_group = access.group and any(node.qemu is False for node in access.ruled)
    for line in owned:
        new = replace_value(line.rule.raw, "OWNER", person.name)
        if wrong_group and has_assignment(new, "GROUP"):
            new = replace_value(new, "GROUP", access.group)
        if new != line.rule.raw:
            yield _edit(line, new)


def _uaccess(facts: Facts, lines: tuple[Line, ...]) -> Iterator[Change]:
    text = _rule(f'GROUP="{facts[KvmfrAccess].group}"', 'TAG+="uaccess"')
    yield from _write_new(facts, lines, text)


def _group(facts: Facts, lines: tuple[Line, ...]) -> Iterator[Change]:
    group = facts[KvmfrAccess].group
    person = facts[HumanUser]
    known = facts[Accounts].group(group)
    if known is None or known.gid not in person.gids:
        raise CannotFix(
            f"{person.name} is not in the group {group}: run "
            f"`sudo usermod -aG {group} {person.name}`, log in again, then --fix"
        )
    yield from _write_new(facts, lines, _rule(f'GROUP="{group}"'))


def _rule(*terms: str) -> str:
    parts = ['SUBSYSTEM=="kvmfr"', *terms]
    tail = [part for part in parts if part.startswith("TAG")]
    head = [part for part in parts if not part.startswith("TAG")]
    return ", ".join([*head, f'MODE="{KEPT_GROUP_MODE}"', *tail])


def _write_new(facts: Facts, lines: tuple[Line, ...], text: str) -> Iterator[Change]:
    """Put the rule into its file; take obsolete recipes' files away."""
    here = [line for line in lines if line.file.path == NEW_RULE]
    if here:
        yield _edit(here[0], text)
        for line in here[1:]:
            yield EditLine(NEW_RULE, line.rule.raw, None)
    else:
        yield WriteFile(NEW_RULE, f"{text}\n")
    for line in lines:
        if line.file.path == NEW_RULE:
            continue
        if is_recipe(line.file):
            yield DeleteFile(line.file.path, f"{NEW_RULE} takes its place")
        elif has_assignment(line.rule.raw, "MODE") or line.file.path > NEW_RULE:
            yield _edit(line, f"# {line.rule.raw}")


def _edit(line: Line, new: str) -> Change:
    if "\n" in line.rule.raw:
        raise CannotFix(
            f"{line.file.path}: the rule runs over several lines; change it by "
            f"hand to: {new.replace(chr(10), ' ')}"
        )
    return EditLine(line.file.path, line.rule.raw, new)


def is_recipe(file: UdevFile) -> bool:
    """Tell whether a file holds only the one line that a setup recipe wrote.

    The known ones are those of Bluefin, Aurora and Bazzite (reference 4.1) and
    of the Looking Glass documentation: owner, group kvm or qemu, mode 0660, the
    tag uaccess, in any order, and nothing else in the file.
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
        and given.get("MODE") == KEPT_GROUP_MODE
        and given.get("TAG", "uaccess") == "uaccess"
    )
