"""What taking a repair back would do, before it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.messages import say
from vfio_doctor.model import CommandStep, DomainStep, FileStep, ParameterStep
from vfio_doctor.repair.values import StepState
from vfio_doctor.report.page import Page
from vfio_doctor.report.plan import command, difference, text_of, without_passwords

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.model import Message, Step
    from vfio_doctor.repair.journal_lines import Run
    from vfio_doctor.report.style import Look

MADE = (StepState.DONE, StepState.LATE, StepState.KEPT)


def began_lines(run: Run, look: Look) -> list[str]:
    """Return what a run did, in a line for each of its repairs."""
    page = Page(look)
    _began(run, page)
    return page.text().splitlines()


def _began(run: Run, page: Page) -> None:
    began = say("undo-began", "The repair of {time} did this:")
    page.say(began.filled(time=run.beginning.started))
    for fix in run.beginning.fixes:
        page.say(fix.summary, "  - ")


def undo_lines(run: Run, look: Look) -> list[str]:
    """Return what a run did and how each step is taken back, newest first."""
    page = Page(look)
    _began(run, page)
    page.heading(say("undo-would", "To take it back, in this order:"))
    entries = [e for e in run.entries if e.begun or e.state in MADE]
    steps = [step for e in reversed(entries) for step in _undone(e.step.step)]
    for number, (said, lines) in enumerate(steps, 1):
        page.whole(f"{number}. {said}")
        for line in lines:
            page.diff(line, "   ")
    page.gap()
    page.say(
        say(
            "undo-keeps",
            "What somebody has changed since is shown, and stays as it is.",
        )
    )
    return page.text().splitlines()


def _undone(step: Step) -> Iterator[tuple[Message, list[str]]]:
    if isinstance(step, FileStep):
        lines = difference(text_of(step.after), text_of(step.before), step.path)
        yield _file(step), list(lines)
    elif isinstance(step, ParameterStep):
        said = say("undo-set", "Set {path} from {after} to {before}, now")
        yield said.filled(**step._asdict()), []
    elif isinstance(step, DomainStep):
        said = say("undo-domain", "Define the VM {vm} as it was, through libvirt")
        after, before = without_passwords(step.after), without_passwords(step.before)
        yield said.filled(vm=step.name), [*difference(after, before, step.path)]
    elif isinstance(step, CommandStep) and step.inverse:
        yield say("undo-run", "Run {command}", command=command(step.inverse)), []


def _file(step: FileStep) -> Message:
    if step.before is None:
        return say("undo-delete", "Delete {path}", path=step.path)
    if step.after is None:
        return say("undo-write", "Write {path} again", path=step.path)
    return say("undo-change", "Change {path} back", path=step.path)
