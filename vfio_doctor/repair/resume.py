"""Take a run back, or bring an interrupted one to an end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.repair import journal as journals
from vfio_doctor.repair.journal import Busy
from vfio_doctor.repair.journal_lines import RunState
from vfio_doctor.repair.session import Session
from vfio_doctor.repair.syscalls import StepFailed
from vfio_doctor.repair.values import Ending, Outcome

if TYPE_CHECKING:
    from vfio_doctor.repair.journal_lines import Run
    from vfio_doctor.repair.target import Machine


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
            return Outcome(Ending.NOTHING, wanted, why="nothing was repaired here yet")
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
        return Outcome(Ending.REFUSED, wanted, why=str(busy))
    except (OSError, StepFailed) as error:
        text = f"the journal cannot be used: {error}"
        return Outcome(Ending.REFUSED, wanted, why=text)


def _chosen(runs: tuple[Run, ...], wanted: str, finish: bool) -> tuple[Run | None, str]:
    open_now = [run for run in runs if run.state is RunState.OPEN]
    left = [run for run in runs if run.state is not RunState.UNDONE]
    if wanted:
        named = [run for run in runs if run.id == wanted]
        if not named:
            return None, f"there is no run {wanted}; see `vfio-doctor history`"
        if named[0] not in (open_now if finish else left):
            return None, f"the run {wanted} is {named[0].state.value} already"
        return named[0], ""
    some = open_now if finish else left
    return (some[-1], "") if some else (None, "there is no run to undo")
