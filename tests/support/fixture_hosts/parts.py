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


class Parts(NamedTuple):
    """Tables as `hosts.build` takes them; a later part wins over an earlier one."""

    files: dict[str, str | bytes | Missing] = {}
    stats: dict[str, Stat | Missing] = {}
    folders: tuple[str, ...] = ()
    commands: dict[tuple[str, ...], CommandResult | Missing] = {}
    udev: dict[str, tuple[UdevDevice, ...] | Missing] = {}
    probes: dict[tuple[str, str], ProbeResult | Missing] = {}


class Recipe(NamedTuple):
    """One fixture host: its name, the real host it is modelled on, its parts."""

    name: str
    modelled_on: str
    parts: tuple[Parts, ...]
    caller: Caller = Caller(0, 1000)
    denied: tuple[str, ...] = ()


def capture(recipe: Recipe) -> Capture:
    """Put the parts together; paths in ``denied`` are there but unreadable."""
    whole = Parts({}, {}, (), {}, {}, {})
    for part in recipe.parts:
        whole = Parts(
            {**whole.files, **part.files},
            {**whole.stats, **part.stats},
            (*whole.folders, *part.folders),
            {**whole.commands, **part.commands},
            {**whole.udev, **part.udev},
            {**whole.probes, **part.probes},
        )
    for path in recipe.denied:
        whole.files[path] = hosts.denied(path)
    built = hosts.build(*whole, caller=recipe.caller, name=recipe.name).capture
    built.manifest["modelled_on"] = recipe.modelled_on
    return built


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
