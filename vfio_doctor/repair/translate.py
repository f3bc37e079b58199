"""Turn declarative changes into the steps that make them on a running host."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vfio_doctor.facts.base import CannotFix
from vfio_doctor.host.reader import Missing, Why, read_text
from vfio_doctor.model import (
    CommandStep,
    FileContext,
    LoadModule,
    ParameterStep,
    RestartService,
    RuntimeParameter,
    UdevTrigger,
)
from vfio_doctor.repair.guards import NO_VM, unused
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.model import Change, Step

NAME = r"[A-Za-z0-9_][A-Za-z0-9_.@:-]{0,127}"
PARAMETER = (
    r"/sys/module/[A-Za-z0-9_]+/parameters/[A-Za-z0-9_]+|/proc/sys/[A-Za-z0-9_./-]+"
)
LOCAL_CONTEXTS = "/etc/selinux/targeted/contexts/files/file_contexts.local"
SETTLE_SECONDS = 30


class Translated(NamedTuple):
    """One change as steps: ``before`` the files (for undo alone) and behind them.

    Undo walks backwards, so a step that only undo runs stands in front of the
    files that it must run behind.
    """

    before: tuple[Step, ...]
    after: tuple[Step, ...]
    guards: tuple[str, ...] = ()


def translate(change: Change, host: Reader) -> Translated:
    """Return the steps of a change that brings an effect forward.

    Raises `CannotFix` for a name that has no business in a command, and where
    what is there now cannot be read.
    """
    if isinstance(change, UdevTrigger):
        return _udev(change)
    if isinstance(change, LoadModule):
        return _module(change, host)
    if isinstance(change, RuntimeParameter):
        return _parameter(change, host)
    if isinstance(change, RestartService):
        return _service(change)
    if isinstance(change, FileContext):
        return _context(change, host)
    raise TypeError(f"no steps for {change}")


def _udev(change: UdevTrigger) -> Translated:
    subsystem = _name(change.subsystem)
    calls = (
        (("udevadm", "control", "--reload"), "have udev read its rules again"),
        (
            ("udevadm", "trigger", "--action=add", f"--subsystem-match={subsystem}"),
            f"have udev set up the {subsystem} devices again",
        ),
        (
            ("udevadm", "settle", f"--timeout={SETTLE_SECONDS}"),
            "wait until udev is done",
        ),
    )
    before = [CommandStep((), argv, brings_forward=True, why=w) for argv, w in calls]
    after = [CommandStep(argv, brings_forward=True, why=why) for argv, why in calls]
    return Translated(tuple(reversed(before)), tuple(after))


def _module(change: LoadModule, host: Reader) -> Translated:
    name = _name(change.name)
    loaded = not isinstance(
        host.lstat(f"/sys/module/{name.replace('-', '_')}"), Missing
    )
    load, unload = ("modprobe", name), ("modprobe", "-r", name)
    if loaded and not change.reload:
        return Translated((), ())
    why = f"load the module {name}"
    if not loaded:
        return Translated((), (CommandStep(load, unload, (0,), "", True, why),))
    out = CommandStep(unload, brings_forward=True, why=f"unload the module {name}")
    again = CommandStep(load, brings_forward=True, why=why)
    return Translated((), (out, again), (NO_VM, unused(name.replace("-", "_"))))


def _parameter(change: RuntimeParameter, host: Reader) -> Translated:
    if not re.fullmatch(PARAMETER, change.path) or ".." in change.path:
        raise CannotFix(f"{change.path} is not the path of a kernel parameter")
    if not change.value.isprintable():
        raise CannotFix(f"{change.path}: the value is not one printable line")
    text = read_text(host, change.path)
    if isinstance(text, Missing):
        if text.why is Why.ABSENT:
            return Translated((), ())
        raise CannotFix(f"{text}: it is read before it is changed")
    before = text.removesuffix("\n")
    if same_value(before, change.value):
        return Translated((), ())
    return Translated((), (ParameterStep(change.path, before, change.value),))


def same_value(one: str, other: str) -> bool:
    """Tell whether two texts are the same value to the kernel, booleans included."""
    pair = {one.strip(), other.strip()}
    return len(pair) == 1 or pair in ({"Y", "1"}, {"N", "0"})


def _service(change: RestartService) -> Translated:
    argv = ("systemctl", "try-restart", _name(change.unit))
    why = f"restart {change.unit}"
    undo = CommandStep((), argv, brings_forward=True, why=why)
    step = CommandStep(argv, brings_forward=True, why=why)
    return Translated((undo,), (step,), (NO_VM,))


def _context(change: FileContext, host: Reader) -> Translated:
    """Set a local file context; semanage knows -a for new ones, -m for others."""
    for text in (change.pattern, change.path):
        if not text.startswith("/") or not text.isprintable():
            raise CannotFix(f"{text!r} is not an absolute path")
    type_ = _name(change.type)
    local = read_text(host, LOCAL_CONTEXTS)
    if isinstance(local, Missing) and local.why is not Why.ABSENT:
        raise CannotFix(f"{local}: it is read before it is changed")
    held = [] if isinstance(local, Missing) else local.splitlines()
    old = [line.split() for line in held if line.split()[:1] == [change.pattern]]
    call = ("semanage", "fcontext")
    set_: tuple[str, ...] = (*call, "-a", "-t", type_, change.pattern)
    back: tuple[str, ...] = (*call, "-d", change.pattern)
    if old:
        former = old[-1][-1].split(":")[2:3]
        if not former:
            raise CannotFix(f"{LOCAL_CONTEXTS}: {change.pattern} has no type")
        set_ = (*call, "-m", "-t", type_, change.pattern)
        back = (*call, "-m", "-t", former[0], change.pattern)
    relabel = ("restorecon", "-R", "--", change.path)
    return Translated(
        (CommandStep((), relabel, why="relabel as before"),),
        (
            CommandStep(set_, back, why="set the SELinux file context"),
            CommandStep(relabel, why="relabel the files"),
        ),
    )


def _name(text: str) -> str:
    if not re.fullmatch(NAME, text):
        raise CannotFix(f"{text!r} is not a name that may stand in a command")
    return text
