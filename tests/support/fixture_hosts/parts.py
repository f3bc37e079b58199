"""What a host is put together from, and how it becomes a capture."""

from __future__ import annotations

from typing import NamedTuple

from support import hosts
from vfio_doctor.host.captured import Capture
from vfio_doctor.host.reader import (
    Caller,
    CommandResult,
    Missing,
    ProbeResult,
    Stat,
    UdevDevice,
)

ROOT = Caller(0, 1000)


class Parts(NamedTuple):
    """Tables as `hosts.build` takes them; a later part wins over an earlier one.

    ``gone`` are paths that earlier parts have named: they and all below them are
    taken away again.
    """

    files: dict[str, str | bytes | Missing] = {}
    stats: dict[str, Stat | Missing] = {}
    folders: tuple[str, ...] = ()
    commands: dict[tuple[str, ...], CommandResult | Missing] = {}
    udev: dict[str, tuple[UdevDevice, ...] | Missing] = {}
    probes: dict[tuple[str, str], ProbeResult | Missing] = {}
    gone: tuple[str, ...] = ()

    def without(self, gone: tuple[str, ...]) -> Parts:
        """Return what is left where these paths are not there."""

        def kept(path: str) -> bool:
            return not any(path == g or path.startswith(f"{g}/") for g in gone)

        return self._replace(
            files={path: v for path, v in self.files.items() if kept(path)},
            stats={path: v for path, v in self.stats.items() if kept(path)},
            folders=tuple(filter(kept, self.folders)),
            probes={key: v for key, v in self.probes.items() if kept(key[1])},
        )

    def and_then(self, part: Parts) -> Parts:
        """Return both; of what both name, that of the later part."""
        left = self.without(part.gone) if part.gone else self
        return Parts(
            {**left.files, **part.files},
            {**left.stats, **part.stats},
            (*left.folders, *part.folders),
            {**left.commands, **part.commands},
            {**left.udev, **part.udev},
            {**left.probes, **part.probes},
        )


class Recipe(NamedTuple):
    """One fixture host: its name, the real host it is modelled on, its parts.

    ``like`` is the host that it was made from: where nothing else is written down, a
    rule ends on both in the same way. Paths in ``denied`` are there but unreadable.
    """

    name: str
    modelled_on: str
    parts: tuple[Parts, ...]
    caller: Caller = ROOT
    denied: tuple[str, ...] = ()
    like: str = ""

    def but(
        self,
        name: str,
        modelled_on: str,
        *parts: Parts,
        caller: Caller | None = None,
        denied: tuple[str, ...] = (),
    ) -> Recipe:
        """Return this host with something else about it."""
        return Recipe(
            name,
            modelled_on,
            (*self.parts, *parts),
            caller or self.caller,
            (*self.denied, *denied),
            self.name,
        )


def capture(recipe: Recipe) -> Capture:
    """Put the parts together."""
    whole = Parts()
    for part in recipe.parts:
        whole = whole.and_then(part)
    files = whole.files | {path: hosts.denied(path) for path in recipe.denied}
    tables = whole._replace(files=files)[:-1]
    built = hosts.build(*tables, caller=recipe.caller, name=recipe.name).capture
    built.manifest["modelled_on"] = recipe.modelled_on
    if recipe.like:
        built.manifest["like"] = recipe.like
    return built


def gone(*paths: str) -> Parts:
    """Return that these paths, and all below them, are not there."""
    return Parts(gone=paths)


def file(path: str, content: str | bytes) -> Parts:
    """Return one file."""
    return Parts(files={path: content})


def group_file(**members: tuple[int, str]) -> str:
    """Return ``/etc/group`` text: ``kvm=(36, "qemu")`` is one line."""
    return "".join(f"{n}:x:{gid}:{who}\n" for n, (gid, who) in members.items())


def passwd_file(**users: tuple[int, int, str]) -> str:
    """Return ``/etc/passwd`` text: ``alice=(1000, 1000, "/home/alice")``."""
    return "".join(
        f"{n}:x:{uid}:{gid}::{home}:/bin/bash\n"
        for n, (uid, gid, home) in users.items()
    )


def seat(uid: int) -> Parts:
    """Somebody is logged in at the machine itself."""
    text = f"# private\nIS_SEAT0=1\nCAN_MULTI_SESSION=1\nACTIVE=2\nACTIVE_UID={uid}\n"
    return Parts(files={"/run/systemd/seats/seat0": text})
