"""A host as it was when it was captured: the same door, nothing live behind it.

Whatever the capture does not hold is NOT_CAPTURED, unless the capture proves
that it is not there: a recorded listing of the folder lacks the name.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from vfio_doctor.host import details
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
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# What a reader's `list` says of a path that is there and has no names in it.
NOT_A_FOLDER = details.NOT_A_FOLDER


class Capture(NamedTuple):
    """What a capture holds, by what was asked.

    Keys are absolute paths, argument vectors, subsystem names and
    ``(probe, path)`` pairs. The dictionaries are never changed once a
    `CapturedHost` reads them.
    """

    name: str
    caller: Caller
    files: dict[str, bytes | Missing]
    stats: dict[str, Stat | Missing]
    lists: dict[str, tuple[str, ...] | Missing]
    commands: dict[tuple[str, ...], CommandResult | Missing]
    udev: dict[str, tuple[UdevDevice, ...] | Missing]
    probes: dict[tuple[str, str], ProbeResult | Missing]
    manifest: dict[str, object]

    @classmethod
    def empty(cls, name: str, caller: Caller) -> Capture:
        """Return a capture that holds nothing yet."""
        return cls(name, caller, {}, {}, {}, {}, {}, {}, {})


class CapturedHost:
    """A `Reader` of a `Capture`."""

    def __init__(self, capture: Capture) -> None:
        """Take the capture; nothing of this machine is read."""
        self.capture = capture

    @property
    def name(self) -> str:
        """Return the capture's name for reports."""
        return self.capture.name

    def caller(self) -> Caller:
        """Return who ran the recording doctor."""
        return self.capture.caller

    def read_bytes(self, path: str, limit: int = 1 << 20) -> bytes | Missing:
        """Return a captured file; FAILED where it is larger than ``limit``."""
        found = self.capture.files.get(path)
        if found is None:
            return self._not_held(path)
        if isinstance(found, bytes) and len(found) > limit:
            return Missing(path, Why.FAILED, details.TOO_LARGE.filled(count=limit))
        return found

    def lstat(self, path: str) -> Stat | Missing:
        """Return the captured record of a path."""
        found = self.capture.stats.get(path)
        return self._not_held(path) if found is None else found

    def list(self, path: str) -> tuple[str, ...] | Missing:
        """Return the captured names of a folder."""
        found = self.capture.lists.get(path)
        return self._not_held(path) if found is None else found

    def readlink(self, path: str) -> str | Missing:
        """Return the captured text of a symbolic link."""
        found = self.lstat(path)
        if isinstance(found, Missing):
            return found
        if found.kind is not Kind.LINK:
            return Missing(path, Why.FAILED, details.NOT_A_LINK)
        return found.target

    def glob(self, pattern: str) -> tuple[str, ...] | Missing:
        """Return the captured paths that match."""
        return glob_by_listing(pattern, self.list)

    def run(self, argv: tuple[str, ...]) -> CommandResult | Missing:
        """Return what the command answered when it was captured."""
        found = self.capture.commands.get(argv)
        if found is None:
            return Missing(" ".join(argv), Why.NOT_CAPTURED)
        return found

    def udev_devices(self, subsystem: str) -> tuple[UdevDevice, ...] | Missing:
        """Return the captured devices of one subsystem."""
        found = self.capture.udev.get(subsystem)
        if found is None:
            return Missing(f"udev subsystem {subsystem}", Why.NOT_CAPTURED)
        return found

    def probe(self, name: str, path: str) -> ProbeResult | Missing:
        """Return what the probe answered when it was captured."""
        found = self.capture.probes.get((name, path))
        if found is None:
            return Missing(f"probe {name} of {path}", Why.NOT_CAPTURED)
        return found

    def _not_held(self, path: str) -> Missing:
        """Tell "proven not there" from "not looked at"."""
        child = path.rstrip("/")
        while child:
            folder, _, name = child.rpartition("/")
            names = self.capture.lists.get(folder or "/")
            # Missing first: it is a tuple itself.
            if isinstance(names, Missing):
                why = names.why if names.why is Why.ABSENT else Why.NOT_CAPTURED
                return Missing(path, why)
            if names is not None:
                gone = name not in names
                return Missing(path, Why.ABSENT if gone else Why.NOT_CAPTURED)
            child = folder
        return Missing(path, Why.NOT_CAPTURED)


def glob_by_listing(
    pattern: str, list_folder: Callable[[str], tuple[str, ...] | Missing]
) -> tuple[str, ...] | Missing:
    """Return the sorted paths that match, asking only for listings.

    A folder that is not there matches nothing; one that cannot be listed makes
    the whole answer that `Missing`, since a match may hide in it. Parts without
    a wildcard behind the last wildcard are matched by listing too. As in a
    shell, a wildcard does not match a leading dot.
    """
    first, *rest = _parts(pattern)
    found: list[str] = [first]
    for part in rest:
        grown: list[str] = []
        for folder in found:
            names = list_folder(folder or "/")
            if isinstance(names, Missing):
                if names.why is Why.ABSENT or _not_a_folder(names):
                    continue
                return names
            grown.extend(f"{folder}/{name}" for name in _matching(names, part))
        found = grown
    return tuple(sorted(found))


def _not_a_folder(missing: Missing) -> bool:
    return missing.why is Why.FAILED and missing.detail == NOT_A_FOLDER


def _parts(pattern: str) -> Iterator[str]:
    """Split into the fixed head ("" for the root) and one part a level."""
    parts = pattern.strip("/").split("/")
    wild = next((n for n, part in enumerate(parts) if _is_wild(part)), len(parts) - 1)
    yield "".join(f"/{part}" for part in parts[:wild])
    yield from parts[wild:]


def _is_wild(part: str) -> bool:
    return any(char in part for char in "*?[")


def _matching(names: tuple[str, ...], part: str) -> Iterator[str]:
    for name in names:
        hidden = name.startswith(".") and not part.startswith(".")
        if not hidden and fnmatchcase(name, part):
            yield name
