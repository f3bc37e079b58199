"""Captures on disk, member by member (docs/capture-format.md)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from vfio_doctor import __version__
from vfio_doctor.host import archive
from vfio_doctor.host.archive import SAFE, CaptureError
from vfio_doctor.host.captured import Capture
from vfio_doctor.host.reader import (
    AclEntry,
    Caller,
    CommandResult,
    Kind,
    Missing,
    ProbeResult,
    Stat,
    UdevDevice,
    Why,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, BinaryIO

SCHEMA = "vfio-doctor/capture/1"
PLAIN = Stat(Kind.FILE, 0, 0, 0)


def load(path: str) -> Capture:
    """Return the capture in a folder or tar.gz; ``-`` is standard input.

    Raises `CaptureError` naming the file, the reason and the cure.
    """
    if path == "-":
        import sys

        return decode(
            "standard input", archive.read_stream("standard input", sys.stdin.buffer)
        )
    return decode(path, archive.read(path))


def save(capture: Capture, folder: str | os.PathLike[str]) -> None:
    """Write a capture as a folder; what is there already is not taken away."""
    for name, data in members(capture).items():
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data)


def pack(held: dict[str, bytes], file: BinaryIO) -> None:
    """Write members as a tar.gz; equal members give equal bytes."""
    import gzip
    import io
    import tarfile

    with (
        gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=0) as plain,
        tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name in sorted(held):
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(held[name]), 0o644
            tar.addfile(info, io.BytesIO(held[name]))


def members(capture: Capture) -> dict[str, bytes]:
    """Return every member of a capture by its name."""
    found: dict[str, bytes] = {"manifest.json": _json(_manifest(capture))}
    for path, content in capture.files.items():
        if isinstance(content, bytes):
            found[f"root/{quoted(path)}"] = content
    found["stat.json"] = _json(
        {p: _from_stat(s) for p, s in capture.stats.items() if isinstance(s, Stat)}
    )
    found["lists.json"] = _json(
        {p: v for p, v in capture.lists.items() if not isinstance(v, Missing)}
    )
    found["missing.json"] = _json(
        {
            "read": _missing_of(capture.files),
            "lstat": _missing_of(capture.stats),
            "list": _missing_of(capture.lists),
        }
    )
    for argv, result in capture.commands.items():
        name = quoted("_".join(word.replace("/", "%2F") for word in argv))
        found[f"commands/{name[:200]}.json"] = _json(_from_command(argv, result))
    for subsystem, devices in capture.udev.items():
        found[f"udev/{quoted(subsystem)}.json"] = _json(_from_devices(devices))
    found["probes.json"] = _json(
        [_from_probe(*key, value) for key, value in sorted(capture.probes.items())]
    )
    return found


def quoted(path: str) -> str:
    """Return a path as a member's name: other characters than `SAFE` as ``%XX``."""
    data = path.strip("/").encode("utf-8", "surrogateescape")
    plain = (
        chr(b) if chr(b) in SAFE | {"/"} and b != 0x25 else f"%{b:02X}" for b in data
    )
    parts = "".join(plain).split("/")
    return "/".join(p.replace(".", "%2E") if p in (".", "..") else p for p in parts)


def unquoted(name: str) -> str:
    """Return the path that a member's name stands for."""
    from urllib.parse import unquote_to_bytes

    return unquote_to_bytes(name).decode("utf-8", "surrogateescape")


def decode(name: str, held: dict[str, bytes]) -> Capture:
    """Return the capture that members hold; others than a capture's are ignored."""
    try:
        return _decode(name, _without_top(held))
    except CaptureError:
        raise
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        IndexError,
        RecursionError,
        OverflowError,
    ) as error:
        raise CaptureError(
            f"{name}: not a capture ({type(error).__name__}: {error})"
        ) from error


def _without_top(held: dict[str, bytes]) -> dict[str, bytes]:
    """Allow one folder around everything, as a person's own tar would have."""
    tops = {member.partition("/")[0] for member in held}
    if "manifest.json" not in held and len(tops) == 1:
        return {member.partition("/")[2]: data for member, data in held.items()}
    return held


def _decode(name: str, held: dict[str, bytes]) -> Capture:
    if "manifest.json" not in held:
        raise CaptureError(f"{name}: no manifest.json in it: not a capture")
    manifest = _object(held, "manifest.json")
    if manifest.get("schema") != SCHEMA:
        raise CaptureError(
            f"{name}: its schema is {str(manifest.get('schema'))[:60]!r}, this version "
            f"reads {SCHEMA!r}; use the vfio-doctor that wrote it"
        )
    uids = [int(manifest.get(key, -1)) for key in ("uid", "sudo_uid", "pkexec_uid")]
    capture = Capture.empty(name, Caller(*uids))
    capture.manifest.update(manifest)
    for member, data in held.items():
        if member.startswith("root/"):
            capture.files["/" + unquoted(member.removeprefix("root/"))] = data
        elif member.startswith("commands/"):
            argv, result = _to_command(_object(held, member))
            capture.commands[argv] = result
        elif member.startswith("udev/"):
            subsystem = unquoted(member.removeprefix("udev/").removesuffix(".json"))
            capture.udev[subsystem] = _to_devices(subsystem, _json_of(held, member))
    for path, row in _object(held, "stat.json").items():
        capture.stats[path] = _to_stat(row)
    for path, names in _object(held, "lists.json").items():
        capture.lists[path] = tuple(_text(each) for each in names)
    _add_missing(capture, _object(held, "missing.json"))
    for row in _json_of(held, "probes.json"):
        kind, path, value = _to_probe(row)
        capture.probes[kind, path] = value
    return capture


def _json(value: object) -> bytes:
    import json

    return f"{json.dumps(value, indent=1, sort_keys=True)}\n".encode()


def _json_of(held: dict[str, bytes], member: str) -> Any:
    import json

    if member not in held:
        raise CaptureError(f"{member} is not in it: not a whole capture")
    return json.loads(held[member].decode("utf-8"))


def _object(held: dict[str, bytes], member: str) -> dict[str, Any]:
    value = _json_of(held, member)
    if not isinstance(value, dict):
        raise CaptureError(f"{member} is not a JSON object")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"not a text: {str(value)[:40]}")
    return value


def _manifest(capture: Capture) -> dict[str, object]:
    tables: Iterable[dict[str, Any]] = (capture.files, capture.stats, capture.lists)
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


def _missing_of(table: dict[str, Any]) -> dict[str, list[str]]:
    return {
        path: [value.why.value, value.detail]
        for path, value in table.items()
        if isinstance(value, Missing)
    }


def _add_missing(capture: Capture, held: dict[str, Any]) -> None:
    for key, table in (
        ("read", capture.files),
        ("lstat", capture.stats),
        ("list", capture.lists),
    ):
        for path, (reason, detail) in held.get(key, {}).items():
            table[path] = Missing(path, Why(reason), _text(detail))  # type: ignore[index]


def _from_stat(stat: Stat) -> dict[str, object]:
    row: dict[str, object] = {"kind": stat.kind.value, "mode": f"{stat.mode:04o}"}
    for name, value in stat._asdict().items():
        if name not in row and value != getattr(PLAIN, name):
            row[name] = value
    return row


def _to_stat(row: dict[str, Any]) -> Stat:
    major, minor = row.get("rdev", (0, 0))
    return Stat(
        Kind(row["kind"]),
        int(row["mode"], 8),
        int(row.get("uid", 0)),
        int(row.get("gid", 0)),
        _text(row.get("user", "")),
        _text(row.get("group", "")),
        (int(major), int(minor)),
        int(row.get("size", 0)),
        int(row.get("mtime", 0)),
        _text(row.get("target", "")),
        _text(row.get("label", "")),
        tuple(AclEntry(_text(t), int(i), int(p)) for t, i, p in row.get("acl", ())),
    )


def _from_command(
    argv: tuple[str, ...], result: CommandResult | Missing
) -> dict[str, object]:
    if isinstance(result, Missing):
        return {"argv": argv, "missing": result.why.value, "detail": result.detail}
    return {**result._asdict(), "argv": argv}


def _to_command(
    row: dict[str, Any],
) -> tuple[tuple[str, ...], CommandResult | Missing]:
    argv = tuple(_text(word) for word in row["argv"])
    if "missing" in row:
        return argv, Missing(" ".join(argv), Why(row["missing"]), _text(row["detail"]))
    out, err = _text(row["stdout"]), _text(row["stderr"])
    return argv, CommandResult(argv, int(row["status"]), out, err)


def _from_devices(devices: tuple[UdevDevice, ...] | Missing) -> object:
    if isinstance(devices, Missing):
        return {"missing": devices.why.value, "detail": devices.detail}
    return [device._asdict() for device in devices]


def _to_devices(subsystem: str, value: Any) -> tuple[UdevDevice, ...] | Missing:
    if isinstance(value, dict):
        source = f"udev subsystem {subsystem}"
        return Missing(source, Why(value["missing"]), _text(value["detail"]))
    return tuple(
        UdevDevice(
            *(
                _text(row[k])
                for k in ("sys_path", "subsystem", "sys_name", "device_node")
            ),
            properties=tuple((_text(k), _text(v)) for k, v in row["properties"]),
            tags=tuple(_text(tag) for tag in row["tags"]),
            from_database=bool(row["from_database"]),
        )
        for row in value
    )


def _from_probe(kind: str, path: str, value: ProbeResult | Missing) -> object:
    row: dict[str, object] = {"probe": kind, "path": path}
    if isinstance(value, Missing):
        return {**row, "missing": value.why.value, "detail": value.detail}
    return {**row, "did": value.did, "values": value.values, "error": value.error}


def _to_probe(row: dict[str, Any]) -> tuple[str, str, ProbeResult | Missing]:
    kind, path = _text(row["probe"]), _text(row["path"])
    if "missing" in row:
        source = f"probe {kind} of {path}"
        return kind, path, Missing(source, Why(row["missing"]), _text(row["detail"]))
    values = tuple((_text(key), int(number)) for key, number in row["values"])
    did = tuple(_text(step) for step in row["did"])
    return kind, path, ProbeResult(kind, did, values, _text(row["error"]))
