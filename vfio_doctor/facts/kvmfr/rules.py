"""What the udev rules of this host do to its kvmfr devices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.accounts import Accounts, is_plain_name
from vfio_doctor.facts.base import MissingFact, missing_fact
from vfio_doctor.facts.kvmfr.names import KVMFR
from vfio_doctor.facts.kvmfr.node import KvmfrNodes
from vfio_doctor.facts.udev import SystemdVersion, UdevRules
from vfio_doctor.host.reader import Missing
from vfio_doctor.messages import say
from vfio_doctor.parse.accounts import parse_group, parse_passwd
from vfio_doctor.parse.systemd_versions import Systemd
from vfio_doctor.parse.udev_effects import Device, Effects, Names, effects
from vfio_doctor.places import FilePlace
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.parse.udev_rules import Rule

# The sysfs attributes that every device of a class without its own ones has.
PLAIN_ATTRIBUTES = ("dev", "uevent", "power/control", "power/runtime_status")

# Programs that set the access of a node anew, after udev has set it.
RESETTING = ("chmod", "chown", "setfacl")
# Each is asked for by a program of its own.
NAMES_AT_MOST = 64
TOO_MANY = say(
    "kvmfr-rules-too-many-names",
    "the udev rules name more than {count} accounts that are in no account file",
)


class Mention(NamedTuple):
    """A rule whose text names kvmfr: file, line number and exact text."""

    path: str
    line: int
    raw: str


class KvmfrRules(NamedTuple):
    """What the rules do to each kvmfr device; to kvmfr0 if there is none yet.

    ``mentions`` are the rules that name kvmfr, ``unread`` (path, text) of files
    that name it and that udev never reads, ``unreadable`` what could not be
    looked at; ``systemd`` is None if its version is not known, ``hidden`` tells that
    a reading was denied which may have it. ``nodes`` and ``names`` are what the
    rules were applied to, and with.
    """

    devices: tuple[tuple[str, Effects], ...]
    mentions: tuple[Mention, ...]
    unread: tuple[tuple[str, str], ...]
    unreadable: tuple[Missing, ...]
    systemd: Systemd | None
    nodes: tuple[Device, ...] = ()
    names: Names = Names({}, {}, None)
    hidden: bool = False

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> KvmfrRules:
        """Apply the rules in force to every kvmfr device."""
        rules = facts[UdevRules]
        files = [(file.path, file.rules) for file in rules.files]
        version, hidden = _version(facts)
        named = [r for _, f in files for r in f.lines if KVMFR in r.raw]
        names, nodes = _names(host, facts, named, version), tuple(_devices(facts))
        return cls(
            tuple((node.kernel, effects(files, node, names)) for node in nodes),
            tuple(
                Mention(path, rule.last, rule.raw)
                for path, file in files
                for rule in file.lines
                if KVMFR in rule.raw
            ),
            tuple((path, text) for path, text in rules.unread if _names_kvmfr(text)),
            rules.unreadable,
            version,
            nodes,
            names,
            hidden,
        )

    def resetting(self, name: str) -> tuple[FilePlace, ...]:
        """Return the lines whose program sets the access of a device anew."""
        effects = dict(self.devices).get(name)
        found = (
            FilePlace(program.path, program.line)
            for program in (effects.programs if effects else ())
            if any(word in program.value for word in RESETTING)
        )
        return tuple(dict.fromkeys(found))

    def all_read(self) -> None:
        """Raise `MissingFact` if a file was not read that may say otherwise."""
        if self.unreadable:
            raise missing_fact(self.unreadable[0])


def _devices(facts: Facts) -> Iterator[Device]:
    try:
        nodes = facts[KvmfrNodes].nodes
    except MissingFact:
        nodes = ()
    for name in [node.name for node in nodes if node.in_sysfs] or ["kvmfr0"]:
        path = f"/devices/virtual/{KVMFR}/{name}"
        yield Device(name, KVMFR, "add", path, PLAIN_ATTRIBUTES)


def _version(facts: Facts) -> tuple[Systemd | None, bool]:
    try:
        return facts[SystemdVersion].version, False
    except MissingFact as missing:
        return None, missing.hidden


def _names_kvmfr(text: str) -> bool:
    lines = (line.lstrip() for line in text.splitlines())
    return any(KVMFR in line and not line.startswith("#") for line in lines)


def _names(
    host: Reader, facts: Facts, rules: list[Rule], version: Systemd | None
) -> Names:
    """Collect the account files; ask the name service for what rules name besides."""
    accounts = facts[Accounts]
    users = {"root": 0} | {u.name: u.uid for u in reversed(accounts.users)}
    groups = {"root": 0} | {g.name: g.gid for g in reversed(accounts.groups)}
    tables = {"OWNER": ("passwd", users), "GROUP": ("group", groups)}
    asked: set[tuple[str, str]] = set()
    for term in (term for rule in rules for term in rule.terms):
        database, table = tables.get(term.key, ("", users))
        if term.value.isdigit() or any(char in term.value for char in "$%"):
            continue
        if not database or term.value in table or (database, term.value) in asked:
            continue
        if len(asked) >= NAMES_AT_MOST:
            raise MissingFact(TOO_MANY.filled(count=NAMES_AT_MOST))
        asked.add((database, term.value))
        number = _ask(host, database, term.value)
        table.update({term.value: number} if number >= 0 else {})
    return Names(users, groups, version)


def _ask(host: Reader, database: str, name: str) -> int:
    """Return the uid or gid that the name service knows, or -1."""
    if not is_plain_name(name):
        return -1
    answer = host.run(("getent", database, name))
    if isinstance(answer, Missing) or answer.status != 0:
        return -1
    if database == "passwd":
        return next((line.uid for line in parse_passwd(answer.stdout)), -1)
    return next((line.gid for line in parse_group(answer.stdout)), -1)
