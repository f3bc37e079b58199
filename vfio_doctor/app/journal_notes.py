"""What the journal has to say to somebody who only looks at the host."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from vfio_doctor.messages import say, verbatim

if TYPE_CHECKING:
    from vfio_doctor.app.place import Place
    from vfio_doctor.model import Message
    from vfio_doctor.repair.journal_lines import Run
    from vfio_doctor.repair.target import Machine

JOURNAL = "/var/lib/vfio-doctor/journal"
ALL = say("note-all-in-effect", "All {count} changes of the last repair are in effect.")
THE_ONE = say("note-one-in-effect", "The one change of the last repair is in effect.")
NOT = say(
    "note-not-in-effect", "A change of the last repair is not in effect: {what}: {why}."
)
MAYBE_NOT = say(
    "note-maybe-not-in-effect",
    "A change of the last repair may not be in effect: {what}: {why}.",
)
IN_EFFECT = say("note-in-effect", "In effect: {what}.")
INTERRUPTED = say(
    "note-interrupted",
    "The repair {run} was interrupted: `sudo vfio-doctor --fix` finishes it, "
    "`sudo vfio-doctor undo {run}` takes it back.",
)
NOT_UNDONE = say(
    "note-not-undone",
    "The repair {run} was taken back, and that is not in effect: {what}: {why}.",
)
RUNNING = say("note-running", "The repair {run} is at work now: {by}.")


def tell() -> None:
    """Say on stderr what `notes` has; nothing, and no import, without a journal."""
    if os.geteuid() or not os.path.isdir(JOURNAL):
        return
    from vfio_doctor.app.repair_machine import live_machine, to_stderr
    from vfio_doctor.host.live import LiveHost

    # A diagnosis never depends on the journal, whatever is in it.
    try:
        lines = notes(live_machine(LiveHost(), None))
    except Exception as error:
        from vfio_doctor.repair.journal import UNUSABLE

        lines = [UNUSABLE.filled(why=str(error))]
    for line in lines:
        to_stderr(line)


def begun(machine: Machine, runs: tuple[Run, ...]) -> list[Message]:
    """Return a line for each run that is at work now, or was interrupted."""
    from vfio_doctor.repair.journal import holder

    open_now = [run for run in runs if run.state.value == "open"]
    by = holder(machine.files) if open_now else None
    return [
        RUNNING.filled(run=run.id, by=by) if by else INTERRUPTED.filled(run=run.id)
        for run in open_now
    ]


def tell_begun(place: Place) -> None:
    """Say on stderr that the host is in the middle of a repair; root alone knows."""
    from vfio_doctor.app.repair_machine import to_stderr
    from vfio_doctor.repair.journal import runs
    from vfio_doctor.repair.syscalls import StepFailed

    if not place.is_root():
        return
    machine = place.machine(place.host(), None)
    try:
        lines = begun(machine, runs(machine.files))
    except (OSError, StepFailed):
        return
    for line in lines:
        to_stderr(line)


def notes(machine: Machine) -> list[Message]:
    """Return lines about an interrupted repair, and about the last one's effect."""
    from vfio_doctor.repair.journal import survey, unusable
    from vfio_doctor.repair.verify import after_reboot, after_undo

    held = survey(machine.files)
    runs = held.runs
    lines = [unusable(bad) for bad in held.unreadable]
    lines += begun(machine, runs)
    lines += [
        NOT_UNDONE.filled(run=runs[-1].id, what=one.what, why=one.why or verbatim(""))
        for one in after_undo(machine.host, runs)
    ]
    lasting = after_reboot(machine.host, runs)
    if not lasting:
        return lines
    bad = [one for one in lasting if one.in_effect is not True]
    if runs[-1].binds:
        # A set-up is told item by item; its files are in the history.
        items = [one for one in lasting if not str(one.what).startswith("/")]
        lines += [IN_EFFECT.filled(what=x.what) for x in items if x.in_effect]
    if not bad:
        lines.append(ALL.filled(count=len(lasting)) if len(lasting) > 1 else THE_ONE)
    for one in bad:
        said = NOT if one.in_effect is False else MAYBE_NOT
        lines.append(said.filled(what=one.what, why=one.why or verbatim("")))
    return lines
