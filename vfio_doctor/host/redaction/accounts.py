"""passwd and group: the accounts that a verdict needs, under stand-ins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.host.reader import Missing, Stat
from vfio_doctor.host.redaction.public import ACCOUNTS
from vfio_doctor.parse.accounts import parse_group, parse_passwd
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vfio_doctor.host.captured import Capture
    from vfio_doctor.host.redaction.names import Names

FIRST_PERSON = 1000
# Debian gives its own accounts numbers from here on (libvirt-qemu: 64055).
OF_SYSTEM = range(61184, 65536)
FILES = ("/etc/passwd", "/usr/lib/passwd")
SEATS = "/run/systemd/seats/"
# A home that says nothing, and one that a client's configuration may be in.
_PUBLIC_HOMES = ("/", "/root", "/nonexistent", "/var/empty", "/proc", "/bin", "/dev")


class Needed(NamedTuple):
    """What a verdict may ask the account files for: names, uids and gids."""

    names: frozenset[str]
    uids: frozenset[int]
    gids: frozenset[int]


def needed(capture: Capture) -> Needed:
    """Return who starts it, sits at the screen, owns what was looked at, is named."""
    stats = [s for s in capture.stats.values() if isinstance(s, Stat)]
    caller = capture.caller
    uids = {caller.uid, caller.sudo_uid, caller.pkexec_uid, *(s.uid for s in stats)}
    uids |= {entry.id for s in stats for entry in s.acl if entry.tag == "user"}
    uids |= set(_at_the_screen(capture))
    gids = {s.gid for s in stats}
    gids |= {entry.id for s in stats for entry in s.acl if entry.tag == "group"}
    named = frozenset(_named(capture))
    people = [line for text in _files(capture, "passwd") for line in parse_passwd(text)]
    kept = [p for p in people if p.uid in uids or p.name in named | ACCOUNTS]
    gids |= {person.gid for person in kept}
    members = {person.name for person in kept}
    return Needed(named | members, frozenset(uids), frozenset(gids))


def people(capture: Capture) -> frozenset[str]:
    """Return the accounts that a person has, by their numbers."""
    found = [line for text in _files(capture, "passwd") for line in parse_passwd(text)]
    return frozenset(
        line.name
        for line in found
        if line.uid >= FIRST_PERSON
        and line.uid not in OF_SYSTEM
        and line.name != "nobody"
    )


def _files(capture: Capture, name: str) -> Iterator[str]:
    for folder in ("/etc", "/usr/lib"):
        data = capture.files.get(f"{folder}/{name}")
        if isinstance(data, bytes):
            yield data.decode("utf-8", "surrogateescape")
    for argv, answer in capture.commands.items():
        if argv[:2] == ("getent", name) and not isinstance(answer, Missing):
            yield answer.stdout


def _at_the_screen(capture: Capture) -> Iterator[int]:
    for path, data in capture.files.items():
        if path.startswith(SEATS) and isinstance(data, bytes):
            for line in data.splitlines():
                key, _, value = line.partition(b"=")
                if key == b"ACTIVE_UID" and value.isdigit():
                    yield int(value[:10])


def _named(capture: Capture) -> Iterator[str]:
    """Yield the accounts that rules, qemu.conf or the command line name."""
    from vfio_doctor.parse.libvirt_conf import parse

    for path, data in capture.files.items():
        if not isinstance(data, bytes):
            continue
        if "udev/rules.d/" in path and (b"OWNER" in data or b"GROUP" in data):
            yield from _of_rules(data.decode("utf-8", "surrogateescape"))
        elif path.endswith("/libvirt/qemu.conf"):
            conf = parse(data.decode("utf-8", "replace"))
            for key in ("user", "group"):
                yield conf.text(key).removeprefix("+")
                yield conf.default(key).removeprefix("+")
    for argv in capture.commands:
        if argv[0] in ("getent", "id"):
            yield argv[-1]


def _of_rules(text: str) -> Iterator[str]:
    from vfio_doctor.parse.udev_rules import parse_udev_rules

    for rule in parse_udev_rules(text).lines:
        for term in rule.terms:
            if term.key in ("OWNER", "GROUP"):
                yield term.value


def passwd(text: str, names: Names, need: Needed) -> str:
    """Return the lines of accounts that are needed: name, numbers, home."""
    found = [line for line in text.splitlines() if parse_passwd(line)]
    kept: list[str] = []
    for line in found:
        (entry,) = parse_passwd(line)
        if entry.uid in need.uids or entry.name in need.names | ACCOUNTS:
            name = _name(entry.name, names.account, names)
            home = _home(entry.home, names)
            kept.append(f"{name}:x:{entry.uid}:{entry.gid}::{home}:")
    names.leave_out("account", len(found) - len(kept))
    return "".join(f"{line}\n" for line in kept)


def _name(text: str, put: Callable[[str], str], names: Names) -> str:
    """Return an account's name; digits are a name here, and no number."""
    return names.name("user", text) if text.isdigit() else put(text)


def _home(text: str, names: Names) -> str:
    from vfio_doctor.host.redaction.paths import path

    return text if text in _PUBLIC_HOMES else path(text, names)


def group(text: str, names: Names, need: Needed) -> str:
    """Return the groups that are needed, and of their members those that are."""
    found = [line for line in text.splitlines() if parse_group(line)]
    kept: list[str] = []
    for line in found:
        (entry,) = parse_group(line)
        members = [m for m in entry.members if m in need.names | ACCOUNTS]
        wanted = entry.gid in need.gids or entry.name in need.names | ACCOUNTS
        if wanted or members:
            listed = ",".join(map(names.account, members))
            name = _name(entry.name, names.group, names)
            kept.append(f"{name}:x:{entry.gid}:{listed}")
    names.leave_out("group", len(found) - len(kept))
    return "".join(f"{line}\n" for line in kept)


def seat(text: str, names: Names) -> str:
    """Return a seat's file of logind: whose session is active, by number."""
    kept = []
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        switch = key in ("IS_SEAT0", "CAN_MULTI_SESSION", "CAN_TTY", "CAN_GRAPHICAL")
        uid = key == "ACTIVE_UID" and value.isdigit() and len(value) < 11
        if equals and (uid or switch and value in ("0", "1")):
            kept.append(line)
    names.leave_out("line of a seat", len(text.splitlines()) - len(kept))
    return "".join(f"{line}\n" for line in kept)
