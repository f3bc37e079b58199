"""Take a run back, or bring an interrupted one to an end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.messages import say
from vfio_doctor.repair import journal as journals
from vfio_doctor.repair.journal import UNUSABLE, Busy, unusable
from vfio_doctor.repair.journal_lines import RunState
from vfio_doctor.repair.session import INTERRUPTED, Session
from vfio_doctor.repair.stops import stoppable
from vfio_doctor.repair.syscalls import StepFailed, reason
from vfio_doctor.repair.trusted import why_not
from vfio_doctor.repair.values import Ending, Outcome, StepState

if TYPE_CHECKING:
    from vfio_doctor.model import Message
    from vfio_doctor.repair.journal_lines import Run, Unreadable
    from vfio_doctor.repair.target import Machine

NEVER = say("repair-never", "nothing was repaired here yet")
NO_SUCH_RUN = say(
    "run-unknown", "there is no run {run}; see `sudo vfio-doctor history`"
)
NO_RUN = say("run-none-to-undo", "there is no run to undo")
FOREIGN = say("run-foreign", "the journal of run {run} is not believed: {why}")
OVER = {
    RunState.OPEN: say("run-open-already", "the run {run} is open already"),
    RunState.DONE: say("run-done-already", "the run {run} is done already"),
    RunState.UNDONE: say("run-undone-already", "the run {run} is undone already"),
}


def history(machine: Machine) -> tuple[Run, ...]:
    """Return every run of this host, oldest first.

    Raises PermissionError where only root may read the journal.
    """
    return journals.runs(machine.files)


def undo_run(machine: Machine, run: str = "") -> Outcome:
    """Take a run back, newest step first; the last one that is not undone yet.

    An interrupted run is taken back too. What somebody changed since is KEPT,
    with both contents in its `StepResult`.
    """
    return _on_run(machine, run, finish=False)


def run_to_undo(machine: Machine, wanted: str = "") -> Run | None:
    """Return the run that `undo_run` would take back, None if it would refuse."""
    try:
        held = journals.survey(machine.files)
        run = _chosen(held.runs, wanted, finish=False)[0]
        refused = _hidden(held.unreadable, wanted, run) or (
            _foreign(run, machine) if run is not None else None
        )
    except (OSError, StepFailed):
        return None
    return None if refused else run


def failed_since(machine: Machine, run: Run) -> Run | None:
    """Return the last run, if it came behind this one and has taken itself back.

    As one that failed, or was stopped; None if there is none.
    """
    try:
        held = journals.survey(machine.files).runs
    except (OSError, StepFailed):
        return None
    last = held[-1] if held else run
    by_itself = last.state is RunState.UNDONE and not last.asked
    return last if by_itself and last.id != run.id else None


def finish_run(machine: Machine, run: str) -> Outcome:
    """Make the steps that an interrupted run did not get to.

    One that was being taken back is taken back to its end.
    """
    return _on_run(machine, run, finish=True)


def _on_run(machine: Machine, wanted: str, finish: bool) -> Outcome:
    try:
        held = journals.survey(machine.files)
        if not held.runs and not held.unreadable:
            return Outcome(Ending.NOTHING, wanted, why=NEVER)
        with stoppable(), journals.locked(machine.files, machine.lock_seconds):
            held = journals.survey(machine.files)
            run, why = _chosen(held.runs, wanted, finish)
            hidden = _hidden(held.unreadable, wanted, run)
            if hidden is not None:
                return Outcome(Ending.REFUSED, wanted, why=hidden)
            if run is None:
                return Outcome(Ending.NOTHING, wanted, why=why)
            foreign = _foreign(run, machine)
            if foreign is not None:
                return Outcome(Ending.REFUSED, run.id, why=foreign)
            session = Session(
                machine,
                journals.reopen(machine.files, run.id),
                run.beginning,
                list(run.entries),
            )
            if finish and not run.undoing:
                return session.go_on()
            return session.undo(asked=not finish)
    except KeyboardInterrupt:
        return Outcome(Ending.REFUSED, wanted, why=INTERRUPTED)
    except Busy as busy:
        return Outcome(Ending.REFUSED, wanted, why=busy.message)
    except (OSError, StepFailed) as error:
        why = UNUSABLE.filled(why=reason(error))
        return Outcome(Ending.REFUSED, wanted, why=why)


def _hidden(
    unreadable: tuple[Unreadable, ...], wanted: str, chosen: Run | None
) -> Message | None:
    """Return why no run may be taken: the one that is meant may be unreadable."""
    for bad in unreadable:
        if bad.run == wanted or (not wanted and (not chosen or bad.run > chosen.id)):
            return unusable(bad)
    return None


def _foreign(run: Run, machine: Machine) -> Message | None:
    """Return why a run's steps are none of ours, before the first is taken back."""
    whys = (why_not(e.step.step, e.old, machine.backend) for e in run.entries)
    why = next((why for why in whys if why is not None), None)
    return FOREIGN.filled(run=run.id, why=why) if why else None


def _chosen(
    runs: tuple[Run, ...], wanted: str, finish: bool
) -> tuple[Run | None, Message | None]:
    open_now = [run for run in runs if run.state is RunState.OPEN]
    left = [run for run in runs if run.state is not RunState.UNDONE]
    some = open_now if finish else [run for run in left if _did_something(run)]
    if wanted:
        named = [run for run in runs if run.id == wanted]
        if not named:
            return None, NO_SUCH_RUN.filled(run=wanted)
        if named[0] not in (open_now if finish else left):
            return None, OVER[named[0].state].filled(run=wanted)
        return named[0], None
    return (some[-1], None) if some else (None, NO_RUN)


def _did_something(run: Run) -> bool:
    """Tell whether a run left anything behind that can be taken back."""
    left = (StepState.DONE, StepState.LATE, StepState.KEPT)
    acted = any(entry.state in left or entry.begun for entry in run.entries)
    return acted or run.state is RunState.OPEN
