"""Turn declarative changes into the steps that make them on a running host."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vfio_doctor.boot.kernel_cmdline import FILE_UNREAD
from vfio_doctor.facts.base import CannotFix, MissingFact
from vfio_doctor.host.reader import Missing, Why, read_text
from vfio_doctor.messages import say
from vfio_doctor.model import (
    CommandStep,
    DisablePolicy,
    DisableUnit,
    DropContext,
    EnableUnit,
    FileContext,
    LoadModule,
    OwnInitramfsBack,
    ParameterStep,
    PolicyModule,
    ProbeDriver,
    ProbeStep,
    RestartService,
    RuntimeParameter,
    UdevTrigger,
)
from vfio_doctor.parse.pci import is_address
from vfio_doctor.repair.guards import Guard, NoVm, Unused
from vfio_doctor.repair.lasting import same_value
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.model import Change, Step

NAME = r"[A-Za-z0-9_][A-Za-z0-9_.@:-]{0,127}"
PARAMETER = (
    r"/sys/module/[A-Za-z0-9_]+/parameters/[A-Za-z0-9_]+|/proc/sys/[A-Za-z0-9_./-]+"
)
SETTLE_SECONDS = 30
RELOAD = say("do-reload-udev", "have udev read its rules again")
TRIGGER = say("do-trigger-udev", "have udev set up the {subsystem} devices again")
SETTLE = say("do-settle-udev", "wait until udev is done")
LOAD = say("do-load-module", "load the module {module}")
UNLOAD = say("do-unload-module", "unload the module {module}")
RESTART = say("do-restart-unit", "restart {unit}")
DROP_CONTEXT = say("do-drop-context", "take the SELinux file context out")
POLICY_ON = say(
    "do-policy-on",
    "load the SELinux policy module {name}, which can take a minute",
)
POLICY_OFF = say("do-policy-off", "switch the SELinux policy module {name} off")
ENABLE = say("do-enable-unit", "have {unit} started at boot")
DISABLE = say("do-disable-unit", "have {unit} no longer started at boot")
START = say("do-start-unit", "start {unit}")
SET_CONTEXT = say("do-set-context", "set the SELinux file context")
RELABEL = say("do-relabel", "relabel the files")
RELABEL_BACK = say("do-relabel-back", "relabel the files as before")
NO_PARAMETER = say(
    "parameter-path-wrong", "{path} is not the path of a kernel parameter"
)
NO_VALUE = say("parameter-value-wrong", "{path}: the value is not one printable line")
NOT_ABSOLUTE = say("path-not-absolute", "'{path}' is not an absolute path")
NO_TYPE = say("context-without-type", "{path}: {pattern} has no type")
NOT_A_NAME = say(
    "name-not-for-commands", "'{name}' is not a name that may stand in a command"
)


class Translated(NamedTuple):
    """One change as steps: ``before`` the files (for undo alone) and behind them.

    Undo walks backwards, so a step that only undo runs stands in front of the
    files that it must run behind.
    """

    before: tuple[Step, ...]
    after: tuple[Step, ...]
    guards: tuple[Guard, ...] = ()


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
    if isinstance(change, ProbeDriver):
        return _probe(change)
    if isinstance(change, RestartService):
        return _service(change)
    if isinstance(change, EnableUnit | DisableUnit):
        return _enabled(change) if isinstance(change, EnableUnit) else _disabled(change)
    if isinstance(change, OwnInitramfsBack):
        return _own_initramfs(change, host)
    return _of_selinux(change, host)


def _of_selinux(change: Change, host: Reader) -> Translated:
    if isinstance(change, FileContext):
        return _context(change, host)
    if isinstance(change, DropContext):
        return _no_context(change, host)
    if isinstance(change, DisablePolicy):
        return _no_policy(change)
    if isinstance(change, PolicyModule):
        return _policy(change)
    raise TypeError(f"no steps for {change}")


def _udev(change: UdevTrigger) -> Translated:
    subsystem = _name(change.subsystem)
    trigger = ("udevadm", "trigger", "--action=add", f"--subsystem-match={subsystem}")
    calls = (
        (("udevadm", "control", "--reload"), RELOAD),
        (trigger, TRIGGER.filled(subsystem=subsystem)),
        (("udevadm", "settle", f"--timeout={SETTLE_SECONDS}"), SETTLE),
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
    why = LOAD.filled(module=name)
    if not loaded:
        return Translated((), (CommandStep(load, unload, (0,), "", True, why),))
    out = CommandStep(unload, brings_forward=True, why=UNLOAD.filled(module=name))
    again = CommandStep(load, brings_forward=True, why=why)
    return Translated((), (out, again), (NoVm(), Unused(name.replace("-", "_"))))


def _parameter(change: RuntimeParameter, host: Reader) -> Translated:
    if not re.fullmatch(PARAMETER, change.path) or ".." in change.path:
        raise CannotFix(NO_PARAMETER.filled(path=change.path))
    if not change.value.isprintable():
        raise CannotFix(NO_VALUE.filled(path=change.path))
    text = read_text(host, change.path)
    if isinstance(text, Missing):
        if text.why is Why.ABSENT:
            return Translated((), ())
        raise CannotFix(FILE_UNREAD.filled(why=text.message), text.why)
    before = text.removesuffix("\n")
    if same_value(before, change.value):
        return Translated((), ())
    return Translated((), (ParameterStep(change.path, before, change.value),))


def _probe(change: ProbeDriver) -> Translated:
    if not is_address(change.address):
        raise CannotFix(NOT_A_NAME.filled(name=change.address))
    path = f"/sys/bus/pci/devices/{change.address}"
    return Translated((), (ProbeStep(path, _name(change.driver)),))


def _service(change: RestartService) -> Translated:
    argv = ("systemctl", "try-restart", _name(change.unit))
    why = RESTART.filled(unit=change.unit)
    undo = CommandStep((), argv, brings_forward=True, why=why)
    step = CommandStep(argv, brings_forward=True, why=why)
    return Translated((undo,), (step,), (NoVm(),))


def _enabled(change: EnableUnit) -> Translated:
    """Enable it for good; that it starts now may fail, or wait for a VM's end."""
    unit, call = _name(change.unit), "systemctl"
    on, off = (call, "enable", unit), (call, "disable", unit)
    start, stop = (call, "start", unit), (call, "stop", unit)
    enable = CommandStep(on, off, why=ENABLE.filled(unit=unit))
    now = CommandStep(start, stop, (0,), "", True, START.filled(unit=unit))
    return Translated((), (enable, now) if change.start else (enable,))


def _disabled(change: DisableUnit) -> Translated:
    unit, call = _name(change.unit), "systemctl"
    off, on = (call, "disable", unit), (call, "enable", unit)
    return Translated((), (CommandStep(off, on, why=DISABLE.filled(unit=unit)),))


def _context(change: FileContext, host: Reader) -> Translated:
    """Set a local file context; semanage knows -a for new ones, -m for others."""
    for text in (change.pattern, change.path):
        if not text.startswith("/") or not text.isprintable():
            raise CannotFix(NOT_ABSOLUTE.filled(path=text))
    type_ = _name(change.type)
    path, old = _local_contexts(host, change.pattern)
    call = ("semanage", "fcontext")
    set_: tuple[str, ...] = (*call, "-a", "-t", type_, change.pattern)
    back: tuple[str, ...] = (*call, "-d", change.pattern)
    if old:
        former = old[-1][-1].split(":")[2:3]
        if not former:
            raise CannotFix(NO_TYPE.filled(path=path, pattern=change.pattern))
        set_ = (*call, "-m", "-t", type_, change.pattern)
        back = (*call, "-m", "-t", former[0], change.pattern)
    relabel = ("restorecon", "-R", "--", change.path)
    return Translated(
        (CommandStep((), relabel, why=RELABEL_BACK),),
        (
            CommandStep(set_, back, why=SET_CONTEXT),
            CommandStep(relabel, why=RELABEL),
        ),
    )


def _local_contexts(host: Reader, pattern: str) -> tuple[str, list[list[str]]]:
    """Return the policy's file of local contexts, and a pattern's words in it."""
    from vfio_doctor.facts.libvirt.confinement import CONTEXTS, policy_of

    path = CONTEXTS.format(policy_of(host))
    local = read_text(host, path)
    if isinstance(local, Missing) and local.why is not Why.ABSENT:
        raise CannotFix(FILE_UNREAD.filled(why=local.message), local.why)
    held = [] if isinstance(local, Missing) else local.splitlines()
    return path, [line.split() for line in held if line.split()[:1] == [pattern]]


def _no_context(change: DropContext, host: Reader) -> Translated:
    path, held = _local_contexts(host, change.pattern)
    type_ = held[-1][-1].split(":")[2:3] if held else []
    if not type_:
        raise CannotFix(NO_TYPE.filled(path=path, pattern=change.pattern))
    call = ("semanage", "fcontext")
    back = (*call, "-a", "-t", _name(type_[0]), change.pattern)
    step = CommandStep((*call, "-d", change.pattern), back, why=DROP_CONTEXT)
    return Translated((), (step,))


def _no_policy(change: DisablePolicy) -> Translated:
    name = _name(change.name)
    off, on = ("semodule", "-d", name), ("semodule", "-e", name)
    return Translated((), (CommandStep(off, on, why=POLICY_OFF.filled(name=name)),))


def _own_initramfs(change: OwnInitramfsBack, host: Reader) -> Translated:
    from vfio_doctor.boot.images.own_initramfs import back

    try:
        return Translated((), (back(change, host),))
    except MissingFact as unseen:
        raise CannotFix(unseen.message, unseen.why) from unseen


def _policy(change: PolicyModule) -> Translated:
    """Load a module from its file, which was written before."""
    folder, _, file = change.path.rpartition("/")
    if not folder.startswith("/etc/"):
        raise CannotFix(NOT_ABSOLUTE.filled(path=change.path))
    name = _name(file.removesuffix(".cil"))
    on, off = ("semodule", "-i", change.path), ("semodule", "-r", name)
    return Translated((), (CommandStep(on, off, why=POLICY_ON.filled(name=name)),))


def _name(text: str) -> str:
    if not re.fullmatch(NAME, text):
        raise CannotFix(NOT_A_NAME.filled(name=text))
    return text
