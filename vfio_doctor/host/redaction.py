"""Replace what is private in a capture by stable pseudonyms.

The same value gets the same pseudonym everywhere in a capture, in file names,
rules and outputs alike, so the redacted capture gives the same verdicts. What a
diagnosis rests on always survives: PCI addresses and ids, group numbers,
versions, resolutions, numeric uids and gids.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar

from vfio_doctor.host.captured import Capture
from vfio_doctor.host.reader import (
    CommandResult,
    Missing,
    ProbeResult,
    Stat,
    UdevDevice,
)
from vfio_doctor.parse import secrets
from vfio_doctor.parse.cmdline import words as cmdline_words

if TYPE_CHECKING:
    import re
    from collections.abc import Iterable, Iterator

    from vfio_doctor.parse.secrets import Secret

T = TypeVar("T")

HOOKS = "/etc/libvirt/hooks/"
# A person may be called like something that a diagnosis rests on. Such a name is
# replaced only where it can be nothing but a name: see `_in_context`.
WORDS_WITH_MEANING = """
root kvm qemu libvirt libvirt-qemu kvmfr vfio on off pt quiet rw ro intel amd
iommu nvidia nouveau amdgpu i915 host user group owner mode tag add uaccess
options kernel linux fedora debian arch ubuntu bazzite bluefin aurora y n yes
no true false none all auto bus pci usb input video render audio disk wheel
default boot dev etc usr run sys proc var lib bin home name id
"""
MEMBERS_SHORTEST = 3


class Redaction(NamedTuple):
    """The redacted capture, and what was replaced: (kind, pseudonym, how often)."""

    capture: Capture
    replaced: tuple[tuple[str, str, int], ...]
    originals: tuple[Secret, ...]


def redact(capture: Capture) -> Redaction:
    """Return the capture without private values."""
    found = find(capture)
    names = Pseudonyms(found)
    return Redaction(_replaced(capture, names), names.counts(), found)


def find(capture: Capture) -> tuple[Secret, ...]:
    """Return every private value of a capture, the longest first."""
    seen: dict[str, Secret] = {}
    for secret in _all(capture):
        text = secret.text.strip()
        if len(text) > 1 and text not in seen:
            seen[text] = secret._replace(text=text)
    return tuple(sorted(seen.values(), key=lambda s: (-len(s.text), s.text)))


def _all(capture: Capture) -> Iterator[Secret]:
    for path, content in capture.files.items():
        if isinstance(content, bytes) and not _is_hook(path):
            yield from _in_file(path, content.decode("utf-8", "surrogateescape"))
        yield from secrets.anywhere(path)
    for path in (*capture.stats, *capture.lists):
        yield from secrets.anywhere(path)
    for stat in capture.stats.values():
        if isinstance(stat, Stat):
            yield from _in_stat(stat)
    for argv, result in capture.commands.items():
        if isinstance(result, CommandResult):
            yield from _in_command(argv, result)
    for devices in capture.udev.values():
        for device in devices if not isinstance(devices, Missing) else ():
            yield from secrets.in_properties(device.properties)


def _in_file(path: str, text: str) -> Iterator[Secret]:
    name = path.rpartition("/")[2]
    if name in ("passwd", "group"):
        yield from (secrets.in_passwd if name == "passwd" else secrets.in_group)(text)
    elif path in ("/etc/hostname", "/proc/sys/kernel/hostname"):
        yield from secrets.in_hostname(text)
    elif path in ("/etc/machine-id", "/var/lib/dbus/machine-id"):
        yield from secrets.in_machine_id(text)
    elif "/libvirt/qemu/" in path and name.endswith(".xml"):
        yield from secrets.in_domain(text)
        yield secrets.Secret("vm", name.removesuffix(".xml"))
    elif path == "/proc/cmdline" or "/loader/entries/" in path or "grub" in path:
        for line in text.splitlines():
            yield from secrets.in_words(cmdline_words(line))
    yield from secrets.anywhere(text)


def _in_stat(stat: Stat) -> Iterator[Secret]:
    if stat.uid >= secrets.FIRST_PERSON and stat.uid != secrets.NOBODY and stat.user:
        yield secrets.Secret("user", stat.user)
    if stat.gid >= secrets.FIRST_PERSON and stat.gid != secrets.NOBODY and stat.group:
        yield secrets.Secret("user", stat.group)
    yield from secrets.anywhere(stat.target)


def _in_command(argv: tuple[str, ...], result: CommandResult) -> Iterator[Secret]:
    text = f"{result.stdout}\n{result.stderr}"
    if argv[:2] == ("getent", "passwd"):
        yield from secrets.in_passwd(text)
    elif argv[:2] == ("getent", "group"):
        yield from secrets.in_group(text)
    elif argv[0] == "virsh":
        for line in result.stdout.splitlines():
            yield secrets.Secret("vm", line.strip())
    elif argv[0] in ("dmesg", "journalctl"):
        yield from secrets.in_log(text)
    if argv[0] != "modinfo":
        for line in text.splitlines():
            yield from secrets.in_words(cmdline_words(line))
        yield from secrets.anywhere(text)


class Pseudonyms:
    """What stands for each private value, and how often it was put in."""

    def __init__(self, found: Iterable[Secret]) -> None:
        """Give each value of a kind a number, in the order given."""
        self._names: dict[str, str] = {}
        self._kinds: dict[str, str] = {}
        self._counts: dict[str, int] = {}
        numbers: dict[str, int] = {}
        for secret in found:
            numbers[secret.kind] = numbers.get(secret.kind, 0) + 1
            self._names[secret.text] = pseudonym(secret, numbers[secret.kind])
            self._kinds[secret.text] = secret.kind
        self._everywhere = self._pattern(t for t in self._names if not ambiguous(t))
        self._contexts = [
            (text, _in_context(text)) for text in self._names if ambiguous(text)
        ]

    def _pattern(self, texts: Iterable[str]) -> re.Pattern[str] | None:
        import re

        words = [re.escape(text) for text in texts]
        # Longest first; a value inside a longer word is that word, not the value.
        joined = "|".join(sorted(words, key=lambda w: (-len(w), w)))
        return (
            re.compile(rf"(?<![0-9A-Za-z])(?:{joined})(?![0-9A-Za-z])")
            if words
            else None
        )

    def apply(self, text: str) -> str:
        """Return the text with every private value replaced."""
        if self._everywhere is not None:
            text = self._everywhere.sub(lambda m: self._name(m.group()), text)
        for name, pattern in self._contexts:
            text = self._where_certain(text, name, pattern)
        return text

    def _where_certain(self, text: str, name: str, pattern: re.Pattern[str]) -> str:
        return pattern.sub(lambda m: m.group().replace(name, self._name(name)), text)

    def _name(self, text: str) -> str:
        self._counts[text] = self._counts.get(text, 0) + 1
        return self._names[text]

    def counts(self) -> tuple[tuple[str, str, int], ...]:
        """Return (kind, pseudonym, times) of what was really replaced."""
        rows = [(self._kinds[t], self._names[t], n) for t, n in self._counts.items()]
        return tuple(sorted(rows))


def ambiguous(text: str) -> bool:
    """Tell whether a value may also stand for something a diagnosis rests on."""
    return len(text) < MEMBERS_SHORTEST or text.lower() in WORDS_WITH_MEANING.split()


def _in_context(name: str) -> re.Pattern[str]:
    """Match a name where it can be nothing else: account lines, homes, rules."""
    import re

    n = re.escape(name)
    return re.compile(
        rf"(?m:^{n}:)|/home/{n}(?![\w-])|OWNER=\"{n}\"|(?m:(?<=[:,]){n}(?=,|$))"
    )


def pseudonym(secret: Secret, number: int) -> str:
    """Return what stands for the ``number``-th value of its kind.

    The form is kept where something parses it (UUIDs, addresses, ids).
    """
    text, n = secret.text, number
    forms = {
        "uuid": f"{n:08d}-0000-4000-8000-{n:012d}"
        if len(text) == 36
        else f"{n:04d}-0000",
        "machine-id": f"{n:032d}",
        "mac": f"02:00:00:00:{n // 256:02x}:{n % 256:02x}",
        "ipv4": f"192.0.2.{n % 256}" if n < 256 else f"198.51.{n // 256}.{n % 256}",
        "ipv6": f"2001:db8::{n:x}",
        "email": f"mail{n}@example.org",
    }
    return forms.get(secret.kind, f"{secret.kind}{n}")


def _is_hook(path: str) -> bool:
    return path.startswith(HOOKS)


def _replaced(old: Capture, names: Pseudonyms) -> Capture:
    def path_of(path: str) -> str:
        return names.apply(path)

    return Capture(
        name=old.name,
        caller=old.caller,
        files={path_of(p): _file(p, c, names) for p, c in old.files.items()},
        stats={path_of(p): _stat(s, names) for p, s in old.stats.items()},
        lists={path_of(p): _names(n, names) for p, n in old.lists.items()},
        commands={
            tuple(names.apply(w) for w in argv): _command(result, names)
            for argv, result in old.commands.items()
        },
        udev={key: _devices(value, names) for key, value in old.udev.items()},
        probes={
            (kind, path_of(p)): _probe(v, names) for (kind, p), v in old.probes.items()
        },
        manifest={**old.manifest, "redacted": True},
    )


def _missing(value: Missing, names: Pseudonyms) -> Missing:
    return value._replace(
        source=names.apply(value.source), detail=names.apply(value.detail)
    )


def _file(path: str, value: bytes | Missing, names: Pseudonyms) -> bytes | Missing:
    if isinstance(value, Missing):
        return _missing(value, names)
    if _is_hook(path):
        return f"# a hook script of {len(value)} bytes was here\n".encode()
    text = names.apply(value.decode("utf-8", "surrogateescape"))
    return text.encode("utf-8", "surrogateescape")


def _stat(value: Stat | Missing, names: Pseudonyms) -> Stat | Missing:
    if isinstance(value, Missing):
        return _missing(value, names)
    return value._replace(
        user=names.apply(value.user),
        group=names.apply(value.group),
        target=names.apply(value.target),
    )


def _names(
    value: tuple[str, ...] | Missing, names: Pseudonyms
) -> tuple[str, ...] | Missing:
    if isinstance(value, Missing):
        return _missing(value, names)
    return tuple(sorted(names.apply(name) for name in value))


def _command(
    value: CommandResult | Missing, names: Pseudonyms
) -> CommandResult | Missing:
    if isinstance(value, Missing):
        return _missing(value, names)
    return CommandResult(
        tuple(names.apply(word) for word in value.argv),
        value.status,
        names.apply(value.stdout),
        names.apply(value.stderr),
    )


def _devices(
    value: tuple[UdevDevice, ...] | Missing, names: Pseudonyms
) -> tuple[UdevDevice, ...] | Missing:
    if isinstance(value, Missing):
        return _missing(value, names)
    return tuple(
        device._replace(
            sys_path=names.apply(device.sys_path),
            sys_name=names.apply(device.sys_name),
            device_node=names.apply(device.device_node),
            properties=tuple((k, names.apply(v)) for k, v in device.properties),
        )
        for device in value
    )


def _probe(value: ProbeResult | Missing, names: Pseudonyms) -> ProbeResult | Missing:
    if isinstance(value, Missing):
        return _missing(value, names)
    return value._replace(did=tuple(names.apply(text) for text in value.did))
