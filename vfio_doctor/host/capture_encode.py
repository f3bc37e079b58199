"""What each member of a capture on disk holds: the writing side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor import __version__
from vfio_doctor.host.members import SAFE
from vfio_doctor.host.reader import (
    CommandResult,
    Kind,
    Missing,
    ProbeResult,
    Stat,
    UdevDevice,
    Why,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from vfio_doctor.host.captured import Capture

SCHEMA = "vfio-doctor/capture/1"
PLAIN = Stat(Kind.FILE, 0, 0, 0)
# A part of a member's name has to fit into a file name of any file system.
PART_LENGTH = 200
PATH_LENGTH = 900
PATH_DEPTH = 28
_PLAIN = (SAFE | {"/"}) - {"%"}


def members(capture: Capture) -> dict[str, bytes]:
    """Return every member of a capture by its name."""
    found: dict[str, bytes] = {"manifest.json": _json(_manifest(capture))}
    found |= _files(capture)
    found["stat.json"] = _json(
        {p: _stat(s) for p, s in capture.stats.items() if isinstance(s, Stat)}
    )
    found["lists.json"] = _json(
        {p: v for p, v in capture.lists.items() if not isinstance(v, Missing)}
    )
    found["missing.json"] = _json(
        {
            "read": _missing(capture.files),
            "lstat": _missing(capture.stats),
            "list": _missing(capture.lists),
        },
        laid_open=("read", "lstat", "list"),
    )
    for argv in sorted(capture.commands):
        row = _command(argv, capture.commands[argv])
        found[_free_name(argv, found)] = _json(row, laid_open=("stdout", "stderr"))
    for subsystem, devices in capture.udev.items():
        found[f"udev/{quoted(subsystem)}.json"] = _json(_devices(devices))
    found["probes.json"] = _json(
        [_probe(*key, value) for key, value in sorted(capture.probes.items())]
    )
    return found


def quoted(path: str) -> str:
    """Return a path as a member's name: other bytes than `SAFE` as ``%XX``.

    Raises UnicodeEncodeError for text that cannot be a path.
    """
    name = path.strip("/")
    if not _PLAIN.issuperset(name):
        data = name.encode("utf-8", "surrogateescape")
        name = "".join(chr(b) if chr(b) in _PLAIN else f"%{b:02X}" for b in data)
    parts = name.split("/")
    return "/".join(p.replace(".", "%2E") if p in (".", "..") else p for p in parts)


def _files(capture: Capture) -> dict[str, bytes]:
    """Return the files below ``root/``, and those that cannot stand there.

    Those are numbered, and ``renamed.json`` has their paths: a name too long, a
    path through what is a file as well.
    """
    held = {p: c for p, c in capture.files.items() if isinstance(c, bytes)}
    parents = {parent for path in held for parent in _parents(path)}
    found: dict[str, bytes] = {}
    renamed: dict[str, str] = {}
    for path in sorted(held):
        name = "" if path in parents else _plain_name(path)
        if not name:
            name = f"renamed/{len(renamed)}"
            renamed[name] = path
        found[name] = held[path]
    return {**found, "renamed.json": _json(renamed)} if renamed else found


def _parents(path: str) -> Iterable[str]:
    while "/" in path[1:]:
        path = path.rpartition("/")[0]
        yield path


def _plain_name(path: str) -> str:
    """Return ``root/...`` for a path that can be had back from it, else ""."""
    try:
        name = quoted(path)
    except UnicodeEncodeError:
        return ""
    parts = name.split("/")
    fits = len(name) <= PATH_LENGTH and len(parts) <= PATH_DEPTH
    if path != "/" + path.strip("/") or "\0" in path or not fits:
        return ""
    return f"root/{name}" if all(0 < len(p) <= PART_LENGTH for p in parts) else ""


def _free_name(argv: tuple[str, ...], taken: Mapping[str, object]) -> str:
    """Return a readable name for a command that no other one has."""
    words = "_".join(argv)[:120].encode("ascii", "replace").decode()
    plain = "".join(c if c in SAFE and c != "%" else "-" for c in words)
    name, number = f"commands/{plain}.json", 1
    while name in taken:
        number += 1
        name = f"commands/{plain}+{number}.json"
    return name


def _json(value: object, laid_open: tuple[str, ...] = ()) -> bytes:
    """Return JSON with an entry a line; also of the values ``laid_open`` names."""
    import json

    encode = json.JSONEncoder(sort_keys=True).encode
    if not isinstance(value, dict):
        return f"{_rows(value, encode, 1)}\n".encode()
    rows = (
        f"{encode(key)}: {_rows(value[key], encode, 2 if key in laid_open else 0)}"
        for key in sorted(value)
    )
    return f"{_bracketed('{}', rows, 1)}\n".encode()


def _rows(value: object, encode: Callable[[object], str], depth: int) -> str:
    """Return JSON, with the entries a line each where ``depth`` is not 0."""
    if depth and isinstance(value, dict):
        rows = (f"{encode(key)}: {encode(value[key])}" for key in sorted(value))
        return _bracketed("{}", rows, depth)
    if depth and isinstance(value, list | tuple):
        return _bracketed("[]", map(encode, value), depth)
    return encode(value)


def _bracketed(pair: str, rows: Iterable[str], depth: int) -> str:
    indent = "\n" + " " * depth
    inner = f",{indent}".join(rows)
    return f"{pair[0]}{indent}{inner}{indent[:-1]}{pair[1]}" if inner else pair


def _manifest(capture: Capture) -> dict[str, object]:
    tables = (capture.files, capture.stats, capture.lists)
    refused = {
        path
        for table in tables
        for path, value in table.items()
        if isinstance(value, Missing) and value.why is Why.DENIED
    }
    return {
        "redacted": False,
        "tool": {"name": "vfio-doctor", "version": __version__},
        **capture.manifest,
        "schema": SCHEMA,
        "uid": capture.caller.uid,
        "sudo_uid": capture.caller.sudo_uid,
        "pkexec_uid": capture.caller.pkexec_uid,
        "denied": sorted(refused),
    }


def _missing(table: Mapping[str, object]) -> dict[str, list[str]]:
    return {
        path: [value.why.value, str(value.detail)]
        for path, value in table.items()
        if isinstance(value, Missing)
    }


def _stat(stat: Stat) -> dict[str, object]:
    row: dict[str, object] = {"kind": stat.kind.value, "mode": f"{stat.mode:04o}"}
    for name, value in stat._asdict().items():
        if name not in row and value != getattr(PLAIN, name):
            row[name] = value
    return row


def _command(
    argv: tuple[str, ...], result: CommandResult | Missing
) -> dict[str, object]:
    if isinstance(result, Missing):
        return {"argv": argv, "missing": result.why.value, "detail": str(result.detail)}
    return {
        "argv": argv,
        "status": result.status,
        "stdout": _lines(result.stdout),
        "stderr": _lines(result.stderr),
    }


def _lines(text: str) -> str | list[str]:
    """Return a text of several lines as a list of them, ends included."""
    lines = text.split("\n")
    if len(lines) < 3:
        return text
    return [f"{line}\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])


def _devices(devices: tuple[UdevDevice, ...] | Missing) -> object:
    if isinstance(devices, Missing):
        return {"missing": devices.why.value, "detail": str(devices.detail)}
    return [device._asdict() for device in devices]


def _probe(kind: str, path: str, value: ProbeResult | Missing) -> object:
    row: dict[str, object] = {"probe": kind, "path": path}
    if isinstance(value, Missing):
        return {**row, "missing": value.why.value, "detail": str(value.detail)}
    return {**row, "did": value.did, "values": value.values, "error": value.error}
