"""Carry a plan out, journalled: the only module that changes a host.

What it acts through is below it: `whole_files` and `syscalls` for files, a `Runner`
for programs. A step that fails takes the whole run back, newest first.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from vfio_doctor.boot.backend import MenuMaker
from vfio_doctor.boot.selection import named
from vfio_doctor.host.reader import Missing, read_text
from vfio_doctor.messages import say, verbatim
from vfio_doctor.model import (
    CommandStep,
    DomainStep,
    FileStep,
    NodeStep,
    ParameterStep,
    ProbeStep,
)
from vfio_doctor.repair import journal as journals
from vfio_doctor.repair import whole_files as whole
from vfio_doctor.repair.do_step import NotStarted, brings_forward, make
from vfio_doctor.repair.guards import broken
from vfio_doctor.repair.image_digests import digests
from vfio_doctor.repair.journal import Busy, Journal
from vfio_doctor.repair.journal_lines import Beginning, Entry, RunFix, RunState
from vfio_doctor.repair.plan import digest, words_digest
from vfio_doctor.repair.probe_step import driver_of
from vfio_doctor.repair.read_back import (
    difference,
    menu_gone,
    read_back,
    words_stay,
)
from vfio_doctor.repair.reordered import as_it_is, is_as
from vfio_doctor.repair.stops import stoppable, undisturbed
from vfio_doctor.repair.syscalls import StepFailed, reason
from vfio_doctor.repair.target import boot_id
from vfio_doctor.repair.undo_step import Taken, take_back, words_can_be_read
from vfio_doctor.repair.values import (
    Ending,
    Outcome,
    StepResult,
    StepState,
)

if TYPE_CHECKING:
    from vfio_doctor.model import Message
    from vfio_doctor.repair.target import Machine
    from vfio_doctor.repair.values import Basis, Plan
    from vfio_doctor.steps import Step

NO_JOURNAL = say(
    "journal-unwritable",
    "no journal can be written in {folder}: {why}. Make it writable, or make room "
    "there, and run this again",
)
OPEN_RUN = say(
    "run-interrupted-before",
    "the run {runs} was interrupted: finish it or undo it first",
)
UNREAD = say("basis-unread", "{name} cannot be read again: {why}")
MOVED = say("basis-moved", "{name} has changed since the plan was made; plan again")
INTERRUPTED = say("run-interrupted-now", "interrupted")
SLOW = say("run-may-take-minutes", "{what}: this may take minutes")
TAKING_BACK = say("run-taking-back", "take back what was done, since: {why}")
BROKEN = say("run-broken-inside", "this program failed itself: {kind}: {error}")
LEFT_OPEN = say(
    "journal-left-open", "all is done, but the journal could not be closed: {why}"
)


def apply_plan(plan: Plan, machine: Machine) -> Outcome:
    """Carry a plan out and say what became of each step; needs root on a host.

    REFUSED means that nothing was changed: another repair goes on or was
    interrupted, the host is not as planned for, or no journal can be written.
    """
    if not plan.steps:
        return Outcome(Ending.NOTHING)
    try:
        with stoppable(), journals.locked(machine.files, machine.lock_seconds):
            return _apply(plan, machine)
    except KeyboardInterrupt:
        # Before the first step: afterwards the run is taken back.
        return Outcome(Ending.REFUSED, why=INTERRUPTED)
    except Busy as why:
        return Outcome(Ending.REFUSED, why=why.message)
    except (OSError, StepFailed) as error:
        return Outcome(Ending.REFUSED, why=_no_journal(error))


def _no_journal(error: OSError | StepFailed) -> Message:
    """Say why there can be none; the kernel names a file without its folder."""
    if isinstance(error, StepFailed):
        return journals.UNUSABLE.filled(why=error.message)
    why = verbatim(error.strerror or str(error))
    return NO_JOURNAL.filled(folder=journals.STATE, why=why)


def _apply(plan: Plan, machine: Machine) -> Outcome:
    held = journals.survey(machine.files)
    interrupted = [run for run in held.runs if run.state is RunState.OPEN]
    if interrupted:
        runs = tuple(run.id for run in interrupted)
        return Outcome(Ending.REFUSED, why=OPEN_RUN.filled(runs=runs))
    why = moved(plan, machine) or _unguarded(plan, machine)
    if why is not None:
        return Outcome(Ending.REFUSED, why=why)
    beginning = _beginning(plan, machine, held.next_number)
    session = Session(
        machine,
        journals.begin(machine.files, beginning),
        beginning,
        [Entry(step) for step in plan.steps],
    )
    return session.go_on()


def _beginning(plan: Plan, machine: Machine, number: int) -> Beginning:
    now = time.time()
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(now))
    return Beginning(
        f"{stamp}{int(now * 1000) % 1000:03d}Z-{os.getpid()}",
        time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now)),
        boot_id(machine.host),
        plan.steps,
        tuple(RunFix(f.id, f.summary, f.reboot, f.findings) for f in plan.fixes),
        plan.tool,
        plan.arguments.before if plan.arguments else (),
        plan.arguments.after if plan.arguments else (),
        number,
        _has_menu(machine),
        plan.takes_back,
        digests(machine.files, _images(plan)),
    )


def _images(plan: Plan) -> tuple[str, ...]:
    """Return the images that are made anew, each once."""
    steps = (planned.step for planned in plan.steps)
    made = (path for s in steps if isinstance(s, CommandStep) for path in s.makes)
    return tuple(dict.fromkeys(made))


def _has_menu(machine: Machine) -> bool:
    tool = machine.backend
    if not isinstance(tool, MenuMaker):
        return False
    return not isinstance(tool.menu(machine.host), Missing)


def moved(plan: Plan, machine: Machine) -> Message | None:
    """Return what is not any more as it was planned for, None if all is."""
    for basis in plan.basis:
        try:
            now = _now(basis, machine)
        except (OSError, StepFailed) as error:
            return UNREAD.filled(name=basis.name, why=reason(error))
        if now != basis.sha256:
            return MOVED.filled(name=basis.name)
    return None


def _now(basis: Basis, machine: Machine) -> str:
    if basis.kind == "file":
        held = whole.held(machine.files, basis.name)
        return digest(None if held is None else held.data)
    if basis.kind == "parameter":
        text = read_text(machine.host, basis.name)
        if isinstance(text, Missing):
            raise StepFailed(text.message)
        return digest(text.removesuffix("\n").encode())
    words = machine.backend.read(machine.host) if machine.backend else ()
    if isinstance(words, Missing):
        raise StepFailed(words.message)
    return words_digest(words)


def _unguarded(plan: Plan, machine: Machine) -> Message | None:
    """Return why a lasting step would hurt somebody, None if none would."""
    steps = [s for s in plan.steps if not brings_forward(s.step)]
    reasons = (broken(guard, machine.host) for s in steps for guard in s.guards)
    return next((why for why in reasons if why is not None), None)


class Session:
    """One run being carried out, finished or taken back."""

    def __init__(
        self,
        machine: Machine,
        journal: Journal,
        beginning: Beginning,
        entries: list[Entry],
    ) -> None:
        """Take an open journal, and the entries as it tells them."""
        self.machine = machine
        self.journal = journal
        self.beginning = beginning
        self.entries = entries
        self._both: dict[int, tuple[str, str]] = {}

    def go_on(self) -> Outcome:
        """Make every step that is not made yet; take all back where one fails."""
        try:
            for number, entry in enumerate(self.entries):
                if entry.state is StepState.WAITING:
                    self._step(number)
                if self._last_of_arguments(number):
                    read_back(self.machine, self.beginning)
            return self._outcome(Ending.DONE, self._close())
        except (OSError, StepFailed) as error:
            return self.roll_back(reason(error))
        except KeyboardInterrupt:
            return self.roll_back(INTERRUPTED)
        except Exception as error:
            return self.roll_back(_broken(error))
        finally:
            self.journal.close()

    def _close(self) -> Message | None:
        """End the journal of a run that is made; return why it stays open, if so."""
        try:
            self._tidy()
            self.journal.end(RunState.DONE, boot_id(self.machine.host))
        except (OSError, StepFailed) as error:
            return LEFT_OPEN.filled(why=reason(error))
        return None

    def roll_back(self, why: Message) -> Outcome:
        """Take back all that was made, newest first, and say what could not be."""
        with undisturbed(self.machine.tell):
            self.machine.tell(TAKING_BACK.filled(why=why))
            with suppress(OSError):
                self.journal.turn()
            if self._back():
                return self._outcome(Ending.STUCK, why)
            # Where this fails all is back; the next run sees that and ends it.
            with suppress(OSError, StepFailed):
                self._end_undone()
        kept = any(entry.state is StepState.KEPT for entry in self.entries)
        return self._outcome(Ending.PARTLY_BACK if kept else Ending.ROLLED_BACK, why)

    def undo(self, asked: bool = True) -> Outcome:
        """Take a run back because a person asked; what others changed stays."""
        try:
            self.journal.turn(asked)
            failed = self._back()
            if not failed:
                self._look_at_words()
                self._end_undone()
        except KeyboardInterrupt:
            return self._outcome(Ending.STUCK, INTERRUPTED)
        except (OSError, StepFailed) as error:
            return self._outcome(Ending.STUCK, reason(error))
        finally:
            self.journal.close()
        return self._outcome(Ending.STUCK if failed else Ending.UNDONE)

    def _look_at_words(self) -> None:
        """Say so if the words of a run that was taken back stay for the next boot."""
        own = [n for n, entry in enumerate(self.entries) if entry.step.arguments]
        is_back = all(self.entries[n].state is StepState.UNDONE for n in own)
        why = words_stay(self.machine, self.beginning) if own and is_back else None
        if why is not None:
            self._ended(own[-1], StepState.KEPT, why)

    def _end_undone(self) -> None:
        """End the journal; a run of which something was kept can be undone again."""
        self._tidy()
        kept = any(entry.state is StepState.KEPT for entry in self.entries)
        state = RunState.DONE if kept else RunState.UNDONE
        self.journal.end(state, boot_id(self.machine.host))

    def _step(self, number: int) -> None:
        planned = self.entries[number].step
        step = planned.step
        self._tell(step)
        reasons = (broken(guard, self.machine.host) for guard in planned.guards)
        why = next((why for why in reasons if why is not None), None)
        if why is not None and brings_forward(step):
            self._ended(number, StepState.LATE, why)
            return
        if why is not None:
            raise StepFailed(why)
        if self.entries[number].begun and self._is_made(number):
            self._ended(number, StepState.DONE)
            return
        self._begin(number)
        try:
            if isinstance(step, DomainStep):
                self._define(number, step)
            else:
                made = self.entries[number]
                make(made.step.step, self.machine, self.beginning.run, made.old)
        except (OSError, StepFailed) as error:
            if not brings_forward(step):
                never = isinstance(error, NotStarted)
                state = StepState.WAITING if never else StepState.FAILED
                with suppress(OSError):
                    self._ended(number, state, reason(error))
                raise
            self._ended(number, StepState.LATE, reason(error))
        else:
            self._ended(number, StepState.DONE)

    def _begin(self, number: int) -> None:
        """Write down what takes the step back, before anything is changed."""
        entry, files = self.entries[number], self.machine.files
        step = entry.step.step
        if isinstance(step, FileStep):
            old = whole.held(files, step.path)
            data = None if old is None else old.data
            if data != step.before:
                step = self._anew(number, step, data)
                entry = self.entries[number]
            made = () if step.after is None else whole.missing_folders(files, step.path)
            folders = (*entry.folders, *(f for f in made if f not in entry.folders))
            entry = entry._replace(old=old, folders=folders)
        self.journal.act(number, entry.old, entry.folders)
        self.entries[number] = entry._replace(begun=True)

    def _anew(self, number: int, step: FileStep, data: bytes | None) -> FileStep:
        """Plan the edit of a loader's file anew if it only has other bytes."""
        entry, edit = self.entries[number], self.beginning.edit
        anew = None
        if is_as(step.before, data, entry.step):
            anew = as_it_is(step, data, self.machine, edit)
        if anew is None:
            raise StepFailed(whole.MEDDLED.filled(path=step.path))
        self.journal.anew(number, anew)
        planned = entry.step._replace(step=anew)
        self.entries[number] = entry._replace(step=planned)
        return anew

    def _define(self, number: int, step: DomainStep) -> None:
        """Define a VM anew, and write down what libvirt made of it."""
        from vfio_doctor.repair.domain_step import define

        made = define(step)
        self.journal.made(number, made)
        self.entries[number] = self.entries[number]._replace(made=made)

    def _is_made(self, number: int) -> bool:
        """Tell whether a step that was cut short has done its work all the same."""
        step, machine = self.entries[number].step.step, self.machine
        if isinstance(step, FileStep):
            held = whole.held(machine.files, step.path)
            data = None if held is None else held.data
            return is_as(step.after, data, self.entries[number].step)
        if isinstance(step, NodeStep):
            return isinstance(machine.host.lstat(step.path), Missing)
        if isinstance(step, ProbeStep):
            return driver_of(step, machine) == step.driver
        if isinstance(step, DomainStep):
            return bool(self.entries[number].made)
        if isinstance(step, ParameterStep):
            text = read_text(machine.host, step.path)
            return isinstance(text, str) and text.strip() == step.after
        if self.entries[number].step.arguments and step.argv and step.inverse:
            return words_can_be_read(machine) and not difference(
                machine, self.beginning
            )
        return bool(named(step.waits_for).holds(machine.host, step.argv))

    def _last_of_arguments(self, number: int) -> bool:
        rest = self.entries[number + 1 :]
        here = self.entries[number].step.arguments
        return here and not any(entry.step.arguments for entry in rest)

    def _taken(self, entry: Entry) -> Taken:
        """Take one step back; a menu made from the old files is read like the new."""
        try:
            taken = take_back(entry, self.machine, self.beginning)
            makes_menu = isinstance(entry.step.step, CommandStep) and not (
                entry.step.step.argv
            )
            if makes_menu and entry.step.arguments and not taken.failed:
                gone = menu_gone(self.machine, self.beginning)
                return Taken(StepState.KEPT, gone, failed=True) if gone else taken
        except Exception as error:
            return Taken(StepState.KEPT, _broken(error), failed=True)
        return taken

    def _back(self) -> bool:
        """Take back every step; tell whether one failed that may be tried again."""
        failed = touched = False
        for number in reversed(range(len(self.entries))):
            entry = self.entries[number]
            for_undo = isinstance(entry.step.step, CommandStep) and not (
                entry.step.step.argv
            )
            if entry.state is StepState.UNDONE:
                # Taken back by a try that did not get to the end.
                touched = touched or not for_undo
                continue
            if not _was_made(entry):
                continue
            if for_undo and not touched:
                taken = Taken(StepState.UNDONE)
            else:
                self._tell(entry.step.step, back=True)
                with suppress(OSError):
                    self.journal.back(number)
                taken = self._taken(entry)
            touched = touched or not for_undo
            failed = failed or taken.failed
            self._both[number] = taken.both
            with suppress(OSError):
                self._ended(number, taken.state, taken.why)
        return failed

    def _ended(self, number: int, state: StepState, why: Message | None = None) -> None:
        entry = self.entries[number]
        begun = entry.begun
        self.entries[number] = entry._replace(state=state, why=why, begun=False)
        try:
            self.journal.ended(number, state, why)
        except OSError:
            self.entries[number] = self.entries[number]._replace(begun=begun)
            raise

    def _tidy(self) -> None:
        for entry in self.entries:
            if isinstance(entry.step.step, FileStep):
                whole.tidy(self.machine.files, entry.step.step.path, self.beginning.run)

    def _tell(self, step: Step, back: bool = False) -> None:
        """Say what is being done; nothing of what is there for the other way only."""
        if not isinstance(step, CommandStep):
            self.machine.tell(step.path)
            return
        argv = step.inverse if back else step.argv
        if not argv:
            return
        what = step.why or " ".join(argv)
        # What makes images names them in the step that goes before it.
        steps = (entry.step.step for entry in self.entries)
        makers = (s.inverse for s in steps if isinstance(s, CommandStep) and s.makes)
        slow = step.waits_for or argv in makers
        self.machine.tell(SLOW.filled(what=what) if slow else what)

    def _outcome(self, ending: Ending, why: Message | None = None) -> Outcome:
        steps = tuple(
            StepResult(
                number,
                entry.step.step,
                entry.state,
                entry.why,
                self._both.get(number, ("", "")),
            )
            for number, entry in enumerate(self.entries)
        )
        return Outcome(ending, self.beginning.run, steps, why)


def _broken(error: Exception) -> Message:
    return BROKEN.filled(kind=type(error).__name__, error=str(error))


def _was_made(entry: Entry) -> bool:
    return entry.begun or entry.state is not StepState.WAITING
