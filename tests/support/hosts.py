"""Hosts for tests: captured ones, and ones built or broken in memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from vfio_doctor.host.captured import Capture, CapturedHost
from vfio_doctor.host.reader import (
    Caller,
    CommandResult,
    Kind,
    Missing,
    ProbeResult,
    Stat,
    UdevDevice,
    Why,
)

CHAR_NODE = Stat(Kind.CHAR, 0o666, 0, 0, "root", "root", (10, 232))


def char_node(
    mode: int, user: str, uid: int, group: str, gid: int, rdev: tuple[int, int]
) -> Stat:
    return Stat(Kind.CHAR, mode, uid, gid, user, group, rdev)


def link(target: str) -> Stat:
    return Stat(Kind.LINK, 0o777, 0, 0, "root", "root", target=target)


def build(
    files: Mapping[str, str | bytes | Missing],
    stats: Mapping[str, Stat | Missing] | None = None,
    folders: Iterable[str] = (),
    commands: Mapping[tuple[str, ...], CommandResult | Missing] | None = None,
    udev: Mapping[str, tuple[UdevDevice, ...] | Missing] | None = None,
    probes: Mapping[tuple[str, str], ProbeResult | Missing] | None = None,
    caller: Caller | None = None,
    name: str = "test host",
) -> CapturedHost:
    """A whole host: whatever is not named is proven absent, by its listings."""
    capture = Capture.empty(name, caller or Caller(1000))
    for path, content in files.items():
        data = content.encode() if isinstance(content, str) else content
        capture.files[path] = data
    capture.stats.update(stats or {})
    for path, value in capture.files.items():
        unreadable = isinstance(value, Missing) and value.why is Why.DENIED
        if isinstance(value, bytes) or unreadable:
            size = len(value) if isinstance(value, bytes) else 1
            mode = 0o600 if unreadable else 0o644
            capture.stats.setdefault(
                path, Stat(Kind.FILE, mode, 0, 0, "root", "root", size=size)
            )
    capture.commands.update(commands or {})
    capture.udev.update(udev or {})
    capture.probes.update(probes or {})
    _list_everything(capture, folders)
    return CapturedHost(capture)


def _list_everything(capture: Capture, folders: Iterable[str]) -> None:
    names: dict[str, set[str]] = {"/": set()}
    for folder in folders:
        names.setdefault(folder.rstrip("/") or "/", set())
    present = {
        path
        for table in (capture.files, capture.stats)
        for path, value in table.items()
        if not (isinstance(value, Missing) and value.why is Why.ABSENT)
    }
    for path in (*present, *list(names)):
        child = path
        while child.strip("/"):
            folder, _, leaf = child.rpartition("/")
            names.setdefault(folder or "/", set()).add(leaf)
            child = folder
    for folder, children in names.items():
        capture.lists.setdefault(folder, tuple(sorted(children)))
        capture.stats.setdefault(
            folder, Stat(Kind.DIRECTORY, 0o755, 0, 0, "root", "root")
        )


def changed(
    host: CapturedHost,
    files: Mapping[str, str | bytes | Missing] | None = None,
    absent: Iterable[str] = (),
    stats: Mapping[str, Stat | Missing] | None = None,
    commands: Mapping[tuple[str, ...], CommandResult | Missing] | None = None,
    udev: Mapping[str, tuple[UdevDevice, ...] | Missing] | None = None,
    probes: Mapping[tuple[str, str], ProbeResult | Missing] | None = None,
    caller: Caller | None = None,
) -> CapturedHost:
    """The same host with some things replaced; ``absent`` drops whole subtrees."""
    old = host.capture
    gone = tuple(path.rstrip("/") for path in absent)

    def kept(path: str) -> bool:
        return not any(path == g or path.startswith(f"{g}/") for g in gone)

    merged_files: dict[str, str | bytes | Missing] = {
        p: v for p, v in old.files.items() if kept(p)
    }
    merged_files.update(files or {})
    merged_stats: dict[str, Stat | Missing] = {
        p: v for p, v in old.stats.items() if kept(p) and p not in (files or {})
    }
    merged_stats.update(stats or {})
    folders = [p for p, v in old.lists.items() if kept(p) and isinstance(v, tuple)]
    return build(
        merged_files,
        merged_stats,
        folders,
        {**old.commands, **(commands or {})},
        {**old.udev, **(udev or {})},
        {**old.probes, **(probes or {})},
        caller or old.caller,
        old.name,
    )


def denied(path: str) -> Missing:
    return Missing(path, Why.DENIED, "Permission denied")


def ran(argv: tuple[str, ...], stdout: str, status: int = 0) -> CommandResult:
    return CommandResult(argv, status, stdout, "")
