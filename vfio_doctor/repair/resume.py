"""Take a run back, or bring an interrupted one to an end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.messages import say
from vfio_doctor.repair import journal as journals
from vfio_doctor.repair.journal import Busy
from vfio_doctor.repair.journal_lines import RunState
from vfio_doctor.repair.session import Session
from vfio_doctor.repair.syscalls import StepFailed, reason
from vfio_doctor.repair.values import Ending, Outcome

if TYPE_CHECKING:
    from vfio_doctor.model import Message
    from vfio_doctor.repair.journal_lines import Run
    from vfio_doctor.repair.target import Machine

NEVER = say("repair-never", "nothing was repaired here yet")
UNUSABLE = say("journal-unusable", "the journal cannot be used: {why}")
NO_SUCH_RUN = say("run-unknown", "there is no run {run}; see `vfio-doctor history`")
NO_RUN = say("run-none-to-undo", "there is no run to undo")
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


def finish_run(machine: Machine, run: str) -> Outcome:
    """Make the steps that an interrupted run did not get to.

    One that was being taken back is taken back to its end.
    """
    return _on_run(machine, run, finish=True)


def _on_run(machine: Machine, wanted: str, finish: bool) -> Outcome:
    try:
        if not journals.runs(machine.files):
            return Outcome(Ending.NOTHING, wanted, why=NEVER)
        with journals.locked(machine.files, machine.lock_seconds):
            run, why = _chosen(journals.runs(machine.files), wanted, finish)
            if run is None:
                return Outcome(Ending.NOTHING, wanted, why=why)
            session = Session(
                machine,
                journals.reopen(machine.files, run.id),
                run.beginning,
                list(run.entries),
            )
            if finish and not run.undoing:
                return session.go_on()
            return session.undo()
    except Busy as busy:
        return Outcome(Ending.REFUSED, wanted, why=busy.message)
    except (OSError, StepFailed) as error:
        why = UNUSABLE.filled(why=reason(error))
        return Outcome(Ending.REFUSED, wanted, why=why)


def _chosen(
    runs: tuple[Run, ...], wanted: str, finish: bool
) -> tuple[Run | None, Message | None]:
    open_now = [run for run in runs if run.state is RunState.OPEN]
    left = [run for run in runs if run.state is not RunState.UNDONE]
    if wanted:
        named = [run for run in runs if run.id == wanted]
        if not named:
            return None, NO_SUCH_RUN.filled(run=wanted)
        if named[0] not in (open_now if finish else left):
            return None, OVER[named[0].state].filled(run=wanted)
        return named[0], None
    some = open_now if finish else left
    return (some[-1], None) if some else (None, NO_RUN)
