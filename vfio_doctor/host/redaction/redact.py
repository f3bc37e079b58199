"""Replace what is private in a capture by stable pseudonyms.

The same value gets the same pseudonym everywhere in a capture, in file names,
rules and outputs alike, so the redacted capture gives the same verdicts. What a
diagnosis rests on always survives: PCI addresses and ids, group numbers,
versions, resolutions, numeric uids and gids.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vfio_doctor.host.captured import Capture
from vfio_doctor.host.reader import CommandResult, Missing
from vfio_doctor.host.redaction import private, secrets
from vfio_doctor.host.redaction.pseudonyms import Pseudonyms
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeVar

    from vfio_doctor.host.reader import ProbeResult, Stat, UdevDevice

    K = TypeVar("K")
    V = TypeVar("V")

HOOK_GONE = "# a hook script of "
HOOK_GONE_FORM = rb"# a hook script of \d+ bytes was here\n"


class Redaction(NamedTuple):
    """The redacted capture, what was replaced, and what finds it again.

    ``replaced`` are (kind, pseudonym, how often).
    """

    capture: Capture
    replaced: tuple[tuple[str, str, int], ...]
    names: Pseudonyms


def redact(capture: Capture) -> Redaction:
    """Return the capture without private values."""
    names = Pseudonyms(private.find(capture))
    redacted = _replaced(capture, names)
    return Redaction(redacted, names.counts(), names)


def _replaced(old: Capture, names: Pseudonyms) -> Capture:
    apply = names.apply
    return Capture(
        name=old.name,
        caller=old.caller,
        files=_distinct({p: _file(p, c, names) for p, c in old.files.items()}, names),
        stats=_distinct({p: _stat(s, names) for p, s in old.stats.items()}, names),
        lists=_distinct({p: _list(p, n, names) for p, n in old.lists.items()}, names),
        commands={
            _argv(argv, names): _command(argv, result, names)
            for argv, result in old.commands.items()
        },
        udev={apply(key): _devices(value, names) for key, value in old.udev.items()},
        probes={
            (kind, apply(p)): _probe(v, names) for (kind, p), v in old.probes.items()
        },
        manifest={
            **{key: _text(value, names) for key, value in old.manifest.items()},
            "redacted": True,
        },
    )


def _distinct(table: Mapping[str, V], names: Pseudonyms) -> dict[str, V]:
    return {_path(path, names): value for path, value in table.items()}


def _path(path: str, names: Pseudonyms) -> str:
    folder, _, name = path.rpartition("/")
    if folder in private.HOMES:
        return f"{folder}/{names.exact(name)}"
    return names.apply(path)


def _text(value: object, names: Pseudonyms) -> object:
    return names.apply(value) if isinstance(value, str) else value


def _missing(value: Missing, names: Pseudonyms) -> Missing:
    return value._replace(
        source=names.apply(value.source), detail=names.apply(str(value.detail))
    )


def _file(path: str, value: bytes | Missing, names: Pseudonyms) -> bytes | Missing:
    if isinstance(value, Missing):
        return _missing(value, names)
    if private.is_hook(path):
        gone = f"{HOOK_GONE}{len(value)} bytes was here\n".encode()
        return value if re.fullmatch(HOOK_GONE_FORM, value) else gone
    if path.startswith(private.EFI_VARIABLES) and len(value) > 5:
        return _variable(value, names)
    text = value.decode("utf-8", "surrogateescape")
    name = path.rpartition("/")[2]
    if name in ("passwd", "group"):
        text = _accounts(text, names)
    elif path in (*private.HOST_NAMES, *private.MACHINE_IDS) or (
        path.startswith("/sys/") and name in private.SERIAL_FILES
    ):
        text = names.exact(text)
    return names.apply(text).encode("utf-8", "surrogateescape")


def _variable(value: bytes, names: Pseudonyms) -> bytes:
    """Replace in a firmware variable: UTF-16 behind four bytes of attributes."""
    try:
        text = value[4:].decode("utf-16-le", "surrogatepass")
    except UnicodeDecodeError:
        return value
    return value[:4] + names.apply(text).encode("utf-16-le", "surrogatepass")


def _accounts(text: str, names: Pseudonyms) -> str:
    """Replace the people in lines of passwd or group, whatever they are called."""
    return "".join(_account(line, names) for line in text.splitlines(keepends=True))


def _account(line: str, names: Pseudonyms) -> str:
    end = line[len(line.rstrip("\r\n")) :]
    parts = line.removesuffix(end).split(":") if end else line.split(":")
    number = parts[2] if len(parts) > 2 else ""
    if number.isascii() and number.isdigit() and secrets.is_person(int(number[:12])):
        parts[0] = names.exact(parts[0])
        if len(parts) > 6:
            parts[4] = ",".join(names.exact(word) for word in parts[4].split(","))
    if len(parts) == 4:
        parts[3] = ",".join(names.exact(word) for word in parts[3].split(","))
    return ":".join(parts) + end


def _stat(value: Stat | Missing, names: Pseudonyms) -> Stat | Missing:
    if isinstance(value, Missing):
        return _missing(value, names)
    user = names.exact if secrets.is_person(value.uid) else names.apply
    group = names.exact if secrets.is_person(value.gid) else names.apply
    return value._replace(
        user=user(value.user),
        group=group(value.group),
        target=names.apply(value.target),
        label=names.apply(value.label),
    )


def _list(
    path: str, value: tuple[str, ...] | Missing, names: Pseudonyms
) -> tuple[str, ...] | Missing:
    if isinstance(value, Missing):
        return _missing(value, names)
    put = names.exact if path in private.HOMES else names.apply
    return tuple(sorted({put(name) for name in value}))


def _argv(argv: tuple[str, ...], names: Pseudonyms) -> tuple[str, ...]:
    if argv[:2] in (("getent", "passwd"), ("getent", "group"), ("id", "-G")):
        return (*argv[:2], *map(names.exact, argv[2:]))
    return tuple(names.apply(word) for word in argv)


def _command(
    argv: tuple[str, ...], value: CommandResult | Missing, names: Pseudonyms
) -> CommandResult | Missing:
    if isinstance(value, Missing):
        return _missing(value, names)
    stdout = value.stdout
    if argv[0] == "getent":
        stdout = _accounts(stdout, names)
    elif argv[0] == "virsh" and "list" in argv:
        lines = stdout.splitlines(keepends=True)
        stdout = "".join(map(names.exact, lines))
    return CommandResult(
        _argv(value.argv, names),
        value.status,
        names.apply(stdout),
        names.apply(value.stderr),
    )


def _devices(
    value: tuple[UdevDevice, ...] | Missing, names: Pseudonyms
) -> tuple[UdevDevice, ...] | Missing:
    if isinstance(value, Missing):
        return _missing(value, names)
    return tuple(_device(device, names) for device in value)


def _device(device: UdevDevice, names: Pseudonyms) -> UdevDevice:
    apply = names.apply
    return device._replace(
        sys_path=apply(device.sys_path),
        subsystem=apply(device.subsystem),
        sys_name=apply(device.sys_name),
        device_node=apply(device.device_node),
        properties=tuple(
            (apply(k), names.exact(v) if secrets.kind_of_property(k) else apply(v))
            for k, v in device.properties
        ),
        tags=tuple(map(apply, device.tags)),
    )


def _probe(value: ProbeResult | Missing, names: Pseudonyms) -> ProbeResult | Missing:
    if isinstance(value, Missing):
        return _missing(value, names)
    return value._replace(
        did=tuple(map(names.apply, value.did)), error=names.apply(value.error)
    )
