"""Make the capture that may leave a host: known formats, and stand-ins.

The same value gets the same stand-in everywhere in a capture, so the redacted
capture gives the same verdicts. Nothing is searched for secrets: what no format
lets through is not there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.host.captured import Capture
from vfio_doctor.host.reader import Missing, Stat, Why
from vfio_doctor.host.redaction import (
    accounts,
    devices,
    formats,
    paths,
    programs,
    selinux,
)
from vfio_doctor.host.redaction.names import Names
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from vfio_doctor.host.reader import CommandResult, ProbeResult
    from vfio_doctor.host.redaction.accounts import Needed

UNKNOWN = "left out: at most {} bytes, its format is not known"


class Redaction(NamedTuple):
    """The capture that may be shown, and what is not in it.

    ``hidden`` are (kind, stand-in, how often), ``left_out`` (what, how many).
    """

    capture: Capture
    hidden: tuple[tuple[str, str, int], ...]
    left_out: tuple[tuple[str, int], ...]


def redact(capture: Capture) -> Redaction:
    """Return what of a capture is known to be harmless."""
    before = capture.manifest.get("redacted") is True
    names = Names("\n".join(_texts(capture)) if before else None)
    need = accounts.needed(capture)
    names.people = accounts.people(capture)
    names.scripts = frozenset(_scripts(capture))
    for text in _passwd(capture):
        accounts.passwd(text, names, need)
    paths.order_files(_paths(capture), names)
    names.forget_counts()
    made = _redacted(capture, names, need)
    return Redaction(made, names.counts(), names.left_out())


def _scripts(capture: Capture) -> Iterator[str]:
    """Yield the programs that modprobe.d runs in place of loading vfio-pci."""
    for path, data in capture.files.items():
        if "/modprobe.d/" in path and isinstance(data, bytes) and b"install" in data:
            for line in data.decode("utf-8", "surrogateescape").splitlines():
                words = line.split()
                if words[:1] == ["install"] and "vfio" in "".join(words[1:2]):
                    yield "".join(words[2:3]).rstrip(";")


def _passwd(capture: Capture) -> Iterator[str]:
    """Yield the account files: people are numbered first, in their order."""
    for path in accounts.FILES:
        data = capture.files.get(path)
        if isinstance(data, bytes):
            yield data.decode("utf-8", "surrogateescape")


def _paths(capture: Capture) -> Iterator[str]:
    yield from capture.files
    yield from capture.stats
    for folder, held in capture.lists.items():
        if not isinstance(held, Missing):
            yield from (f"{folder}/{name}" for name in held)


def _texts(capture: Capture) -> Iterator[str]:
    """Yield every text of a capture in which stand-ins may be."""
    yield from _paths(capture)
    for content in capture.files.values():
        if isinstance(content, bytes):
            yield content.replace(b"\0", b"").decode("utf-8", "replace")
    yield from (f"{key} {value}" for key, value in capture.commands.items())
    yield from (f"{stat.user} {stat.group} {stat.target}" for stat in _stats(capture))
    yield from (str(devices) for devices in capture.udev.values())


def _stats(capture: Capture) -> Iterator[Stat]:
    return (stat for stat in capture.stats.values() if isinstance(stat, Stat))


def _redacted(old: Capture, names: Names, need: Needed) -> Capture:
    return Capture(
        name=old.name,
        caller=old.caller,
        files=_files(old, names, need),
        stats=_all_stats(old, names),
        lists={paths.path(p, names): _list(p, v, names) for p, v in old.lists.items()},
        commands=_commands(old, names, need),
        udev={key: devices.devices(value, names) for key, value in old.udev.items()},
        probes={
            (kind, paths.path(path, names)): _probe(value, names)
            for (kind, path), value in old.probes.items()
        },
        manifest=_manifest(old.manifest),
    )


def _manifest(old: Mapping[str, object]) -> dict[str, object]:
    tool = old.get("tool")
    kept = {"tool": tool} if isinstance(tool, dict) and _is_tool(tool) else {}
    return {**kept, "redacted": True}


def _is_tool(tool: Mapping[str, object]) -> bool:
    version = str(tool.get("version", ""))
    plain = len(version) < 20 and version.replace(".", "").isalnum()
    return set(tool) == {"name", "version"} and tool["name"] == "vfio-doctor" and plain


def _files(old: Capture, names: Names, need: Needed) -> dict[str, bytes | Missing]:
    found: dict[str, bytes | Missing] = {}
    for path, value in old.files.items():
        shown = paths.path(path, names)
        if isinstance(value, Missing):
            found[shown] = programs.missing(value, names)
            continue
        made = formats.file(path, value, names, need)
        if made is None:
            names.leave_out("file of no known format")
            detail = UNKNOWN.format(_rounded(len(value)))
            found[shown] = Missing(shown, Why.NOT_CAPTURED, detail)
        else:
            found[shown] = made
    return found


def _commands(
    old: Capture, names: Names, need: Needed
) -> dict[tuple[str, ...], CommandResult | Missing]:
    found: dict[tuple[str, ...], CommandResult | Missing] = {}
    for argv, value in old.commands.items():
        made = programs.command(argv, value, names, need)
        if made is None:
            names.leave_out("command of no known format")
        else:
            found[programs.words(argv, names)] = made
    return found


def _all_stats(old: Capture, names: Names) -> dict[str, Stat | Missing]:
    """Return what is known of files; of times only which was before which."""
    times = sorted({stat.mtime for stat in _stats(old) if stat.mtime})
    ranks = {0: 0, **{time: rank for rank, time in enumerate(times, 1)}}
    return {
        paths.path(path, names): _stat(value, ranks, names)
        for path, value in old.stats.items()
    }


def _stat(
    value: Stat | Missing, ranks: Mapping[int, int], names: Names
) -> Stat | Missing:
    if isinstance(value, Missing):
        return programs.missing(value, names)
    return value._replace(
        user=_owner("user", value.user, names),
        group=_owner("group", value.group, names),
        target=paths.path(value.target, names),
        label=selinux.label(value.label, names),
        mtime=ranks[value.mtime],
        size=_rounded(value.size),
    )


def _owner(kind: str, name: str, names: Names) -> str:
    """Return an owner's name; what is all digits is a name here, too."""
    if name.isdigit():
        return names.name(kind, name)
    return names.account(name) if kind == "user" else names.group(name)


def _rounded(size: int) -> int:
    """Return a size that tells of a content no more than how large it is about.

    Shared memory has such sizes itself.
    """
    return 1 << (size - 1).bit_length() if size > 0 else size


def _list(
    folder: str, value: tuple[str, ...] | Missing, names: Names
) -> tuple[str, ...] | Missing:
    if isinstance(value, Missing):
        return programs.missing(value, names)
    return tuple(sorted({paths.name(folder, name, names) for name in value}))


def _probe(value: ProbeResult | Missing, names: Names) -> ProbeResult | Missing:
    if isinstance(value, Missing):
        return programs.missing(value, names)
    return value._replace(did=tuple(_step(step, names) for step in value.did))


def _step(text: str, names: Names) -> str:
    from vfio_doctor.host.redaction.scrub import words

    return words(text, names)
