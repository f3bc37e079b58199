"""Make one step on the machine, or take it back."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from vfio_doctor.boot.backend import BOOT_TOOL, FORWARD
from vfio_doctor.boot.selection import named
from vfio_doctor.host.reader import Missing, read_text
from vfio_doctor.messages import say, verbatim
from vfio_doctor.model import CommandStep, FileStep, NodeStep, ParameterStep, ProbeStep
from vfio_doctor.repair import whole_files as whole
from vfio_doctor.repair.lasting import same_value
from vfio_doctor.repair.probe_step import probe
from vfio_doctor.repair.syscalls import Held, StepFailed

if TYPE_CHECKING:
    from vfio_doctor.host.reader import CommandResult
    from vfio_doctor.model import Step
    from vfio_doctor.repair.target import Machine

TRIES = 3
NO_LEFTOVER = say("leftover-gone", "{path} is not the leftover file any more")
PARAMETER_MOVED = say("parameter-moved", "{path} was changed to '{now}' meanwhile")
PART_TAKEN = say("parameter-half-taken", "{path} took only a part of '{after}'")
NOT_SO = say(
    "command-not-so",
    "{command} ended well, but what it was to do is not so",
)
LACKS = say("command-lacks", "{command} does not show {lacks}")
NOT_WRITTEN = say("file-not-written", "{path} could not be written: {why}")
NOT_TAKEN = say(
    "parameter-not-taken", "{path} reads '{now}' after '{after}' was written"
)


class NotStarted(StepFailed):
    """A command that was never started: nothing of it can go on."""


def brings_forward(step: Step) -> bool:
    """Tell whether the step's effect comes with the next boot anyway."""
    if isinstance(step, CommandStep):
        return step.brings_forward
    return isinstance(step, ParameterStep)


def make(step: Step, machine: Machine, run: str, old: Held | None) -> None:
    """Make a step; raises `StepFailed` or OSError where it cannot be made.

    ``old`` is the file that a `FileStep` replaces, as the journal has it.
    """
    if isinstance(step, FileStep):
        new = dressed(step, old)
        if new is not None:
            missing = whole.missing_folders(machine.files, step.path)
            whole.make_folders(machine.files, missing)
        try:
            whole.put(machine.files, step.path, new, step.before, run)
        except OSError as error:
            # Its own text names our scratch file.
            why = verbatim(error.strerror or str(error))
            raise StepFailed(NOT_WRITTEN.filled(path=step.path, why=why)) from error
    elif isinstance(step, NodeStep):
        remove_leftover(step, machine)
    elif isinstance(step, ParameterStep):
        write_parameter(machine, step.path, step.before, step.after)
    elif isinstance(step, ProbeStep):
        probe(step, machine)
    elif isinstance(step, CommandStep) and step.argv:
        command(step.argv, step, machine)


def dressed(step: FileStep, old: Held | None) -> Held | None:
    """Return the file to come: owner, mode and attributes of the one before it."""
    if step.after is None:
        return None
    if old is None:
        return Held(step.after, step.mode, os.geteuid(), os.getegid())
    return old._replace(data=step.after)


def command(argv: tuple[str, ...], step: CommandStep, machine: Machine) -> None:
    """Run one command of a step to its end; raises `StepFailed`."""
    seconds = FORWARD if step.brings_forward else BOOT_TOOL
    tool = named(step.waits_for)
    answer: CommandResult | Missing
    for _ in range(TRIES):
        why = tool.wait_until_idle(machine.runner, machine.sleep, machine.tell)
        if why is not None:
            raise NotStarted(why)
        answer = machine.runner.run(argv, seconds)
        if not tool.is_busy(answer):
            break
    if isinstance(answer, Missing):
        raise StepFailed(answer.message)
    command_line = " ".join(argv)
    if answer.status not in step.accepted:
        raise StepFailed(
            say(
                "command-failed",
                "{command} ended with {status}: {output}",
                command=command_line,
                status=answer.status,
                output=(answer.stderr.strip() or answer.stdout.strip())[-500:],
            )
        )
    if tool.holds(machine.host, argv) is False:
        raise StepFailed(NOT_SO.filled(command=command_line))
    lacks = tuple(text for text in step.shows if text not in answer.stdout)
    if lacks and argv == step.argv:
        raise StepFailed(LACKS.filled(command=command_line, lacks=lacks))


def remove_leftover(step: NodeStep, machine: Machine) -> None:
    """Remove the regular file where a device node belongs."""
    where, _, name = step.path.rpartition("/")
    folder = machine.files.folder(where)
    try:
        import stat

        found = os.lstat(name, dir_fd=folder)
        if not stat.S_ISREG(found.st_mode):
            raise StepFailed(NO_LEFTOVER.filled(path=step.path))
        machine.files.unlink(folder, name)
    finally:
        os.close(folder)


def write_parameter(machine: Machine, path: str, before: str, after: str) -> None:
    """Write a kernel parameter that reads ``before``, and read it back."""
    files = machine.files
    now = parameter(machine, path)
    if not same_value(now, before):
        raise StepFailed(PARAMETER_MOVED.filled(path=path, now=now))
    where, _, name = path.rpartition("/")
    folder = files.folder(where)
    try:
        # Never truncated: sysfs needs it not, and a value is written in one call.
        flags = os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = files.call(os.open, name, flags, dir_fd=folder)
    finally:
        os.close(folder)
    try:
        data = f"{after}\n".encode("utf-8", "surrogateescape")
        if files.call(os.write, fd, data) != len(data):
            raise StepFailed(PART_TAKEN.filled(path=path, after=after))
    finally:
        files.close(fd)
    now = parameter(machine, path)
    if not same_value(now, after):
        raise StepFailed(NOT_TAKEN.filled(path=path, now=now, after=after))


def parameter(machine: Machine, path: str) -> str:
    """Return a kernel parameter's value; raises `StepFailed` where it has none."""
    text = read_text(machine.host, path)
    if isinstance(text, Missing):
        raise StepFailed(text.message)
    return text.removesuffix("\n")
