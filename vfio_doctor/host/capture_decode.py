"""What each member of a capture on disk holds: the reading side.

Nothing in a capture is trusted: every value is of the type it should be, or the
capture is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.host import refusals
from vfio_doctor.host.capture_encode import SCHEMA, quoted
from vfio_doctor.host.captured import Capture
from vfio_doctor.host.details import from_text
from vfio_doctor.host.members import CaptureError
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
    from collections.abc import Callable
    from typing import Any

# JSON grows when it is parsed, mostly by its number of values.
JSON_BYTES = 12 << 20
JSON_VALUES = 400_000
NUMBER_AT_MOST = 1 << 63
MANIFEST_TEXTS = ("like", "modelled_on", "schema")


def decode(name: str, held: dict[str, bytes]) -> Capture:
    """Return the capture that members hold; others than a capture's are ignored.

    Raises `CaptureError`.
    """
    held = _without_top(held)
    if "manifest.json" not in held:
        raise CaptureError(refusals.NO_MANIFEST.filled(name=name))
    check_json(name, held)
    try:
        return _decode(name, held)
    except CaptureError:
        raise
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        RecursionError,
    ) as error:
        kind, why = type(error).__name__, _shown(error)
        said = refusals.DAMAGED.filled(name=name, kind=kind, why=why)
        raise CaptureError(said) from error


def check_json(name: str, held: dict[str, bytes]) -> None:
    """Raise `CaptureError` where parsing the JSON members would take too much."""
    texts = [d for member, d in held.items() if _is_json(member)]
    values = sum(d.count(b",") + d.count(b"[") + d.count(b"{") for d in texts)
    if sum(map(len, texts)) > JSON_BYTES or values > JSON_VALUES:
        raise CaptureError(refusals.TOO_MANY_RECORDS.filled(name=name))


def _is_json(member: str) -> bool:
    known = "/" not in member or member.startswith(("commands/", "udev/"))
    return known and member.endswith(".json")


def _without_top(held: dict[str, bytes]) -> dict[str, bytes]:
    """Allow one folder around everything, as a person's own tar would have."""
    tops = {member.partition("/")[0] for member in held}
    if "manifest.json" not in held and len(tops) == 1:
        return {member.partition("/")[2]: data for member, data in held.items()}
    return held


def _decode(name: str, held: dict[str, bytes]) -> Capture:
    manifest = _object(held, "manifest.json")
    if manifest.get("schema") != SCHEMA:
        schema = _shown(manifest.get("schema"))
        said = refusals.OTHER_SCHEMA.filled(name=name, schema=schema, ours=SCHEMA)
        raise CaptureError(said)
    uids = (manifest.get(key, -1) for key in ("uid", "sudo_uid", "pkexec_uid"))
    capture = Capture.empty(name, Caller(*map(_number, uids)))
    capture.manifest.update(_manifest(manifest))
    renamed = _object(held, "renamed.json") if "renamed.json" in held else {}
    for member, data in held.items():
        folder, _, rest = member.partition("/")
        if folder == "root" and rest:
            capture.files[f"/{unquoted(rest)}"] = data
        elif folder == "commands" and rest.endswith(".json"):
            _add_command(capture, _object(held, member))
        elif folder == "udev" and rest.endswith(".json"):
            subsystem = unquoted(rest.removesuffix(".json"))
            capture.udev[subsystem] = _devices(subsystem, _parsed(held, member))
    for member, path in renamed.items():
        capture.files[_text(path)] = held[member]
    _add_tables(capture, held)
    return capture


def _add_tables(capture: Capture, held: dict[str, bytes]) -> None:
    for path, row in _object(held, "stat.json").items():
        capture.stats[path] = _stat(row)
    for path, names in _object(held, "lists.json").items():
        capture.lists[path] = _texts(names)
    missing = _object(held, "missing.json")
    for path, value in _missing(missing.get("read", {})):
        capture.files.setdefault(path, value)
    for path, value in _missing(missing.get("lstat", {})):
        capture.stats.setdefault(path, value)
    for path, value in _missing(missing.get("list", {})):
        capture.lists.setdefault(path, value)
    for row in _list(_parsed(held, "probes.json")):
        kind, path, answer = _probe(row)
        capture.probes[kind, path] = answer


def unquoted(name: str) -> str:
    """Return the path that a member's name stands for; one name for one path.

    Raises ValueError for any other spelling of a path than `quoted` gives it.
    """
    path = name
    if "%" in name:
        from urllib.parse import unquote_to_bytes

        path = unquote_to_bytes(name).decode("utf-8", "surrogateescape")
    if "\0" in path or quoted(path) != name:
        raise ValueError(f"an odd spelling of a path: {_shown(name)}")
    return path


def _parsed(held: dict[str, bytes], member: str) -> Any:
    import json

    if member not in held:
        raise ValueError(f"{member} is missing")
    return json.loads(held[member].decode("utf-8"))


def _object(held: dict[str, bytes], member: str) -> dict[str, Any]:
    value = _parsed(held, member)
    if not isinstance(value, dict):
        raise TypeError(f"{member} is not a JSON object")
    return value


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(f"not a list: {_shown(value)}")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"not a text: {_shown(value)}")
    return value


def _texts(value: object) -> tuple[str, ...]:
    return tuple(map(_text, _list(value)))


def _number(value: object) -> int:
    if type(value) is not int or abs(value) >= NUMBER_AT_MOST:
        raise TypeError(f"not a number in range: {_shown(value)}")
    return value


def _shown(value: object) -> str:
    """Return hostile text as plain ASCII, and little of it."""
    return str(value)[:60].encode("unicode_escape").decode("ascii")


def _manifest(held: dict[str, Any]) -> dict[str, object]:
    """Return what of a manifest is known and of the right type."""
    kept: dict[str, object] = {"redacted": held.get("redacted") is True}
    kept |= {k: held[k] for k in MANIFEST_TEXTS if isinstance(held.get(k), str)}
    tool = held.get("tool")
    if isinstance(tool, dict):
        kept["tool"] = {k: _text(tool.get(k, "")) for k in ("name", "version")}
    kept["denied"] = list(_texts(held.get("denied", [])))
    return kept


def _missing(held: object) -> list[tuple[str, Missing]]:
    if not isinstance(held, dict):
        raise TypeError("missing.json is not as it should be")
    rows = ((path, *_texts(row)) for path, row in held.items())
    return [
        (path, Missing(path, Why(why), from_text(detail))) for path, why, detail in rows
    ]


def _stat(row: dict[str, Any]) -> Stat:
    kind, mode = KINDS.get(row["kind"]) or Kind(row["kind"]), _mode(row["mode"])
    # A capture has thousands of these: a list is quicker than words for each value.
    values: list[Any] = [
        check(row[name]) if name in row else default
        for name, check, default in STAT_VALUES
    ]
    return Stat(kind, mode, *values)


def _device_number(value: object) -> tuple[int, int]:
    major, minor = _list(value)
    return _number(major), _number(minor)


def _acl(value: object) -> tuple[AclEntry, ...]:
    entries = map(_list, _list(value))
    return tuple(AclEntry(_text(t), _number(i), _number(p)) for t, i, p in entries)


KINDS = {kind.value: kind for kind in Kind}
# In the order of `Stat`, with what it is that the row does not say.
STAT_VALUES: tuple[tuple[str, Callable[[object], object], object], ...] = (
    ("uid", _number, 0),
    ("gid", _number, 0),
    ("user", _text, ""),
    ("group", _text, ""),
    ("rdev", _device_number, (0, 0)),
    ("size", _number, 0),
    ("mtime", _number, 0),
    ("target", _text, ""),
    ("label", _text, ""),
    ("acl", _acl, ()),
)


def _mode(value: object) -> int:
    text = _text(value)
    known = MODES.get(text)
    if known is not None:
        return known
    if not text or text.strip("01234567") or len(text) > 6:
        raise ValueError(f"not an octal mode: {_shown(text)}")
    return int(text, 8)


# What nearly all that a capture holds has.
MODES = {f"{mode:04o}": mode for mode in (0o444, 0o644, 0o755, 0o777)}


def _add_command(capture: Capture, row: dict[str, Any]) -> None:
    argv = _texts(row["argv"])
    if argv in capture.commands:
        raise ValueError(f"a command is in it twice: {_shown(argv)}")
    if "missing" in row:
        why, detail = Why(row["missing"]), from_text(_text(row["detail"]))
        capture.commands[argv] = Missing(" ".join(argv), why, detail)
        return
    capture.commands[argv] = CommandResult(
        argv, _number(row["status"]), _output(row["stdout"]), _output(row["stderr"])
    )


def _output(value: object) -> str:
    """Return a command's output, which may be a list of its lines."""
    return "".join(_texts(value)) if isinstance(value, list) else _text(value)


def _devices(subsystem: str, value: Any) -> tuple[UdevDevice, ...] | Missing:
    if isinstance(value, dict):
        source = f"udev subsystem {subsystem}"
        return Missing(source, Why(value["missing"]), from_text(_text(value["detail"])))
    return tuple(_device(row) for row in _list(value))


def _device(row: dict[str, Any]) -> UdevDevice:
    return UdevDevice(
        _text(row["sys_path"]),
        _text(row["subsystem"]),
        _text(row["sys_name"]),
        _text(row["device_node"]),
        tuple((key, value) for key, value in map(_texts, _list(row["properties"]))),
        _texts(row["tags"]),
        row["from_database"] is True,
    )


def _probe(row: dict[str, Any]) -> tuple[str, str, ProbeResult | Missing]:
    kind, path = _text(row["probe"]), _text(row["path"])
    if "missing" in row:
        source = f"probe {kind} of {path}"
        return (
            kind,
            path,
            Missing(source, Why(row["missing"]), from_text(_text(row["detail"]))),
        )
    pairs = (_list(pair) for pair in _list(row["values"]))
    values = tuple((_text(key), _number(number)) for key, number in pairs)
    did, error = _texts(row["did"]), _text(row["error"])
    return kind, path, ProbeResult(kind, did, values, error)
