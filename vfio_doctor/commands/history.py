"""``vfio-doctor history``: what was repaired here, and whether it is in effect."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from vfio_doctor.app.options import with_examples
from vfio_doctor.app.shared_options import Command
from vfio_doctor.messages import say
from vfio_doctor.repair.journal_lines import RunState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.app.place import Place
    from vfio_doctor.model import Message
    from vfio_doctor.repair.journal_lines import Run
    from vfio_doctor.repair.lasting import Lasting
    from vfio_doctor.repair.target import Machine

STATES = {
    RunState.OPEN: say("history-open", "interrupted"),
    RunState.DONE: say("history-done", "done"),
    RunState.UNDONE: say("history-undone", "undone"),
}
SINCE = say("history-since", "Changes of the last repair, since the reboot:")
SINCE_UNDO = say(
    "history-since-undo", "The last repair was taken back, and since the reboot:"
)
DAMAGED = say("history-damaged", "{count} lines of this journal are damaged.")
EFFECTS = {
    True: say("history-in-effect", "in effect"),
    False: say("history-not-in-effect", "NOT in effect"),
    None: say("history-effect-unknown", "not known"),
}


@click.command(
    "history", cls=Command, short_help="Every repair made here, oldest first."
)
@with_examples
def command() -> None:
    """List every repair of this host: when, what, and where it stands.

    After a reboot it also says whether each change of the last repair took effect.
    Needs root, because old file contents may be private.

    Examples:
      sudo vfio-doctor history
    """
    from vfio_doctor.app.place import Place

    raise click.exceptions.Exit(show(Place()))


def show(place: Place) -> int:
    """Print the history; 2: only root may see it, 3: a part cannot be read."""
    from vfio_doctor.app.output import emit
    from vfio_doctor.app.repair_machine import root_command, to_stderr
    from vfio_doctor.repair.journal import survey
    from vfio_doctor.repair.resume import UNUSABLE
    from vfio_doctor.repair.syscalls import StepFailed, reason

    if not place.is_root():
        to_stderr(
            say("history-needs-root", "Only root may read what was repaired. Run this:")
        )
        to_stderr(f"  {root_command(None, sys.argv)}")
        return 2
    machine = place.machine(place.host(), None)
    try:
        emit("\n".join(history_lines(machine)) + "\n")
        bad = survey(machine.files).unreadable
    except (OSError, StepFailed) as error:
        to_stderr(UNUSABLE.filled(why=reason(error)))
        return 3
    return 3 if bad else 0


def history_lines(machine: Machine) -> list[str]:
    """Return every run, its steps, and the state of the last one since a reboot."""
    from vfio_doctor.repair.journal import holder, survey
    from vfio_doctor.repair.resume import unusable
    from vfio_doctor.repair.verify import after_reboot, after_undo
    from vfio_doctor.report.untrusted import clean

    held = survey(machine.files)
    runs = held.runs
    if not runs and not held.unreadable:
        return [str(say("history-empty", "Nothing was repaired here yet."))]
    running = holder(machine.files) is not None
    lines = [line for run in runs for line in _run(run, running)]
    lines += [clean(unusable(bad)) for bad in held.unreadable]
    lines += effect_lines(after_undo(machine.host, runs), SINCE_UNDO)
    return [*lines, *effect_lines(after_reboot(machine.host, runs))]


def _run(run: Run, running: bool) -> Iterator[str]:
    from vfio_doctor.report.plan import STATES as STEP_STATES
    from vfio_doctor.report.plan import headline
    from vfio_doctor.report.untrusted import clean

    state = STATES[run.state]
    if running and run.state is RunState.OPEN:
        state = say("history-running", "at work now")
    yield f"{run.id}  {run.beginning.started}  {state}"
    for fix in run.beginning.fixes:
        yield f"  {clean(fix.id)}: {clean(fix.summary)}"
    for entry in run.entries:
        step = entry.step.step
        if not getattr(step, "argv", True):
            continue
        why = f" ({clean(entry.why)})" if entry.why else ""
        yield f"    {STEP_STATES[entry.state]}: {headline(step)}{why}"
    if run.damaged == 1:
        yield f"  {say('history-one-damaged', '1 line of this journal is damaged.')}"
    elif run.damaged:
        yield f"  {DAMAGED.filled(count=run.damaged)}"


def effect_lines(lasting: tuple[Lasting, ...], head: Message = SINCE) -> list[str]:
    """Return one line a change: whether it is in effect since the reboot."""
    from vfio_doctor.report.untrusted import clean

    if not lasting:
        return []
    told = [
        f"  {EFFECTS[one.in_effect]}: {clean(one.what)}"
        + (f" ({clean(one.why)})" if one.why else "")
        for one in lasting
    ]
    return ["", str(head), *told]
