"""``vfio-doctor undo``: take a repair back, item by item."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from vfio_doctor.app.failure import Failure
from vfio_doctor.app.options import with_examples
from vfio_doctor.app.shared_options import Command
from vfio_doctor.messages import say
from vfio_doctor.repair.values import Ending, StepState

if TYPE_CHECKING:
    from vfio_doctor.app.place import Place
    from vfio_doctor.repair.journal_lines import Run
    from vfio_doctor.repair.values import Outcome

ASK = say("ask-undo", "Take this back?")
BACK_ALREADY = say(
    "undo-back-already",
    "The last repair, {run} of {time}, did not get to its end and has taken itself "
    "back. This is an older one:",
)
OLDER = say(
    "undo-older",
    "Nothing was changed. To take that older one back, name it: `sudo vfio-doctor undo "
    "{run}`.",
)
UNTOLD = say("undo-untold", "What was taken back stands here, since: {why}.")


@click.command("undo", cls=Command, short_help="Take the last repair back, or RUN.")
@click.argument("run", required=False, default="")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_examples
def command(run: str, yes: bool) -> None:
    """Take a repair back, newest change first.

    What somebody has changed since stays as it is, and both versions are shown.
    RUN is an id of 'vfio-doctor history'; without it, the last repair that is not
    taken back yet. If a later one failed or was stopped, and took itself back, --yes
    is not enough: you are asked, or have to give RUN.

    Examples:
      sudo vfio-doctor undo
      sudo vfio-doctor undo 20260101T120000000Z-4711
    """
    from vfio_doctor.app.place import Place

    raise click.exceptions.Exit(take_back(run, yes, Place()))


def take_back(run: str, yes: bool, place: Place) -> int:
    """Ask, take a run back, print what became of it; return the exit status."""
    from vfio_doctor.app.output import emit
    from vfio_doctor.app.repair_machine import (
        boot_tool,
        lines_of,
        root_command,
        to_stderr,
    )
    from vfio_doctor.repair.resume import failed_since, run_to_undo, undo_run

    if not place.is_root():
        to_stderr(say("undo-needs-root", "Taking a repair back needs root. Run this:"))
        to_stderr(f"  {root_command(None, sys.argv)}")
        return 2
    host = place.host()
    machine = place.machine(host, boot_tool(host))
    meant = run_to_undo(machine, run)
    if meant is not None:
        newer = None if run else failed_since(machine, meant)
        refused = _told(meant, newer, yes, place)
        if refused is not None:
            return refused
        # What was shown is what is taken back, whatever happens meanwhile.
        run = meant.id
    outcome = undo_run(machine, run)
    try:
        emit("\n".join(lines_of(outcome)) + "\n")
    except Failure as error:
        to_stderr(UNTOLD.filled(why=error.message))
        for line in lines_of(outcome):
            to_stderr(line)
        return status(outcome) or 3
    return status(outcome)


def _told(meant: Run, newer: Run | None, yes: bool, place: Place) -> int | None:
    """Show what is to be taken back, and ask; return the exit status if it is not."""
    from vfio_doctor.app.output import emit, look
    from vfio_doctor.app.repair_machine import NO_TERMINAL, NOTHING_CHANGED, to_stderr
    from vfio_doctor.report.undo import began_lines, undo_lines

    asks = not yes and place.is_terminal()
    seen = look("auto", 0, None)
    if newer is not None:
        to_stderr(BACK_ALREADY.filled(run=newer.id, time=newer.beginning.started))
    lines = undo_lines(meant, seen) if asks else began_lines(meant, seen)
    if newer is not None and not asks:
        emit("\n".join(lines) + "\n")
        to_stderr(OLDER.filled(run=meant.id))
        return 2
    if not asks and not yes:
        to_stderr(NO_TERMINAL)
        return 2
    emit("\n".join([*lines, *([] if asks else [""])]) + "\n")
    if asks and not place.consents(ASK):
        to_stderr(NOTHING_CHANGED)
        return 0
    return None


def status(outcome: Outcome) -> int:
    """Return 0, 2 (no run of that name to undo) or 4 (not all was taken back)."""
    if outcome.ending is Ending.NOTHING:
        return 2 if outcome.run else 0
    kept = any(step.state is StepState.KEPT for step in outcome.steps)
    return 4 if kept or outcome.ending is not Ending.UNDONE else 0
