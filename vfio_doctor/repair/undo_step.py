"""Take one step of a run back, unless somebody changed the thing since."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.boot.backend import ArgumentEdit
from vfio_doctor.boot.selection import named
from vfio_doctor.boot.words import lacking, staying
from vfio_doctor.host.reader import Missing
from vfio_doctor.messages import say
from vfio_doctor.model import (
    CommandStep,
    DomainStep,
    FileStep,
    NodeStep,
    ParameterStep,
    ProbeStep,
)
from vfio_doctor.repair import whole_files as whole
from vfio_doctor.repair.do_step import command, parameter, write_parameter
from vfio_doctor.repair.guards import broken
from vfio_doctor.repair.image_digests import changed, digests, not_back, remade
from vfio_doctor.repair.lasting import same_value
from vfio_doctor.repair.probe_step import driver_of, let_go
from vfio_doctor.repair.reordered import as_it_is, is_as
from vfio_doctor.repair.syscalls import StepFailed, reason
from vfio_doctor.repair.target import boot_id
from vfio_doctor.repair.values import StepState
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.model import Message
    from vfio_doctor.repair.journal_lines import Beginning, Entry
    from vfio_doctor.repair.syscalls import Held
    from vfio_doctor.repair.target import Machine

ACL = "system.posix_acl_access"
# Seconds in which a service has begun what its client asked for.
BEGINS = 2.0
LEFTOVER = say("undo-leftover", "a leftover file is not brought back")
LATER = say("undo-later", "takes effect at the next boot: {why}")
CHANGED = say("undo-changed-since", "{path} was changed since")
REDRESSED = say("undo-redressed", "the owner or mode of {path} was changed since")
ENDED = say("undo-ended-with-boot", "it ended with the reboot")
GONE = say("undo-gone", "{path} is not there any more")
ARGUMENTS_CHANGED = say(
    "undo-arguments-changed", "the kernel arguments were changed since"
)
STATE_CHANGED = say("undo-state-changed", "what `{command}` had set was changed since")


class Taken(NamedTuple):
    """How taking back ended. ``failed``: trying again may help.

    ``both`` holds what we left and what is there now, where they differ.
    """

    state: StepState
    why: Message | None = None
    both: tuple[str, str] = ("", "")
    failed: bool = False


def take_back(entry: Entry, machine: Machine, beginning: Beginning) -> Taken:
    """Take a step back; what fails is told, nothing is raised for it."""
    step = entry.step.step
    try:
        if isinstance(step, FileStep):
            return _file(step, entry, machine, beginning)
        if isinstance(step, ParameterStep):
            return _parameter(step, machine, beginning)
        if isinstance(step, ProbeStep):
            return _probed(step, machine, beginning)
        if isinstance(step, NodeStep):
            return Taken(StepState.UNDONE, LEFTOVER)
        if isinstance(step, DomainStep):
            return _domain(step, entry)
        return _command(step, entry, machine, beginning)
    except (OSError, StepFailed) as error:
        if isinstance(step, CommandStep) and step.brings_forward:
            return Taken(StepState.UNDONE, LATER.filled(why=reason(error)))
        return Taken(StepState.KEPT, reason(error), failed=True)


def _file(
    step: FileStep, entry: Entry, machine: Machine, beginning: Beginning
) -> Taken:
    files, run = machine.files, beginning.run
    now = whole.held(files, step.path)
    data = now.data if now is not None else None
    is_before = is_as(step.before, data, entry.step)
    if not is_before:
        if not is_as(step.after, data, entry.step):
            return _changed(step, data)
        if now is not None and entry.old is not None and _redressed(now, entry.old):
            both = (_dress(entry.old), _dress(now))
            return Taken(StepState.KEPT, REDRESSED.filled(path=step.path), both)
        if data == step.after:
            whole.put_back(files, step.path, entry.old, step.after, run)
        elif now is None or not _reordered_back(step, now, machine, beginning):
            return _changed(step, data)
    whole.tidy(files, step.path, run)
    whole.remove_folders(files, entry.folders)
    return _never_made(entry) if is_before else Taken(StepState.UNDONE)


def _changed(step: FileStep, data: bytes | None) -> Taken:
    both = (_text(step.after), _text(data))
    return Taken(StepState.KEPT, CHANGED.filled(path=step.path), both)


def _reordered_back(
    step: FileStep, now: Held, machine: Machine, beginning: Beginning
) -> bool:
    """Take the words out of a file that a program of the loader's wrote anew."""
    edit = ArgumentEdit(beginning.after, beginning.before)
    back = as_it_is(step, now.data, machine, edit)
    if back is None or back.after is None:
        return False
    new = now._replace(data=back.after)
    whole.put(machine.files, step.path, new, now.data, beginning.run)
    return True


def _redressed(now: Held, old: Held) -> bool:
    """Tell whether a person changed who may use the file; labels are the system's."""
    return (now.mode, now.uid, now.gid, dict(now.xattrs).get(ACL)) != (
        old.mode,
        old.uid,
        old.gid,
        dict(old.xattrs).get(ACL),
    )


def _parameter(step: ParameterStep, machine: Machine, beginning: Beginning) -> Taken:
    if boot_id(machine.host) != beginning.boot:
        return Taken(StepState.UNDONE, ENDED)
    try:
        now = parameter(machine, step.path)
    except StepFailed:
        return Taken(StepState.UNDONE, GONE.filled(path=step.path))
    if same_value(now, step.before):
        return Taken(StepState.UNDONE)
    if not same_value(now, step.after):
        both = (step.after, now)
        return Taken(StepState.KEPT, CHANGED.filled(path=step.path), both)
    write_parameter(machine, step.path, step.after, step.before)
    return Taken(StepState.UNDONE)


def _probed(step: ProbeStep, machine: Machine, beginning: Beginning) -> Taken:
    if boot_id(machine.host) != beginning.boot:
        return Taken(StepState.UNDONE, ENDED)
    if driver_of(step, machine) != step.driver:
        return Taken(StepState.UNDONE)
    why = let_go(step, machine)
    return Taken(StepState.KEPT, why, failed=True) if why else Taken(StepState.UNDONE)


def _domain(step: DomainStep, entry: Entry) -> Taken:
    from vfio_doctor.repair.domain_step import restore

    if entry.state is StepState.FAILED and not entry.made:
        # libvirt has taken a definition whole, or not at all.
        return _never_made(entry)
    if restore(step, entry.made):
        return Taken(StepState.UNDONE)
    return Taken(StepState.KEPT, CHANGED.filled(path=step.name))


def _command(
    step: CommandStep, entry: Entry, machine: Machine, beginning: Beginning
) -> Taken:
    if not step.inverse:
        return Taken(StepState.UNDONE)
    if step.argv and step.brings_forward and entry.state is StepState.LATE:
        return Taken(StepState.UNDONE)
    reasons = (broken(guard, machine.host) for guard in entry.step.guards)
    why = next((why for why in reasons if why is not None), None)
    if why is not None and step.brings_forward:
        return Taken(StepState.UNDONE, LATER.filled(why=why))
    if step.waits_for and _cut_short(entry):
        _let_it_end(step, machine)
    if entry.step.arguments and step.argv and words_can_be_read(machine):
        stands = _arguments(entry, machine, beginning)
        if stands is not None:
            return stands
    moved = _moved(step, entry, machine)
    if moved is not None:
        return moved
    if step.makes:
        _make_images(step, machine, beginning)
    else:
        command(step.inverse, step, machine)
    return Taken(StepState.UNDONE)


def _make_images(step: CommandStep, machine: Machine, beginning: Beginning) -> None:
    """Make the images anew from the old files, unless they are what they were.

    A tool that fails has often kept the old ones, and would fail again.
    """
    files = machine.files
    if not changed(files, step.makes, beginning.images):
        return
    meanwhile = digests(files, step.makes)
    try:
        command(step.inverse, step, machine)
    except (OSError, StepFailed) as error:
        left = changed(files, step.makes, beginning.images)
        # What was replaced just now was made from the old files.
        left = tuple(p for p in left if p not in remade(files, left, meanwhile))
        if left:
            raise not_back(left, error) from error


def _moved(step: CommandStep, entry: Entry, machine: Machine) -> Taken | None:
    """Say why the inverse must not run, if the tool can tell what is so now."""
    tool, host = named(step.waits_for), machine.host
    if tool.holds(host, step.inverse):
        return _never_made(entry)
    made = bool(step.argv) and tool.holds(host, step.argv)
    if made is False and step.argv and not _cut_short(entry):
        return Taken(StepState.KEPT, STATE_CHANGED.filled(command=" ".join(step.argv)))
    return None


def _arguments(entry: Entry, machine: Machine, beginning: Beginning) -> Taken | None:
    """Say why the inverse must not run: nothing to undo, or somebody was there.

    Where the call itself was cut short, what it did is not known exactly; the
    inverse is then tried unless the words are those from before.
    """
    assert machine.backend is not None
    now = machine.backend.read(machine.host)
    if isinstance(now, Missing):
        raise StepFailed(now.message)
    edit = beginning.edit
    if sorted(now) == sorted(edit.before):
        return _never_made(entry)
    made = not lacking(edit, now) and not staying(edit, now)
    if not made and not _cut_short(entry):
        both = (" ".join(edit.after), " ".join(now))
        return Taken(StepState.KEPT, ARGUMENTS_CHANGED, both)
    return None


def _never_made(entry: Entry) -> Taken:
    """Return how a step is told whose thing is as it was before.

    One that failed or was cut short changed nothing: it was not undone.
    """
    if entry.state is StepState.FAILED:
        return Taken(StepState.FAILED, entry.why)
    return Taken(StepState.WAITING if entry.begun else StepState.UNDONE)


def _cut_short(entry: Entry) -> bool:
    return entry.begun or entry.state is StepState.FAILED


def _let_it_end(step: CommandStep, machine: Machine) -> None:
    """Wait for the tool's service, which goes on though its client was stopped.

    What it has not begun to do yet it may begin a moment later.
    """
    machine.sleep(BEGINS)
    tool = named(step.waits_for)
    why = tool.wait_until_idle(machine.runner, machine.sleep, machine.tell)
    if why is not None:
        raise StepFailed(why)


def words_can_be_read(machine: Machine) -> bool:
    """Tell whether there is a boot tool that shows the words it has only staged."""
    return machine.backend is not None and machine.backend.shows_staged


def _text(data: bytes | None) -> str:
    return "" if data is None else data.decode("utf-8", "replace")


def _dress(held: Held) -> str:
    return f"mode {held.mode:04o}, owner {held.uid}:{held.gid}"
