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
    from vfio_doctor.repair.values import Outcome

UNTOLD = say("undo-untold", "What was taken back stands here, since: {why}.")


@click.command("undo", cls=Command, short_help="Take the last repair back, or RUN.")
@click.argument("run", required=False, default="")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_examples
def command(run: str, yes: bool) -> None:
    """Take a repair back, newest change first.

    What somebody has changed since stays as it is, and both versions are shown.
    RUN is an id of 'vfio-doctor history'; without it, the last repair.

    Examples:
      sudo vfio-doctor undo
      sudo vfio-doctor undo 20260101T120000000Z-4711
    """
    from vfio_doctor.app.place import Place

    raise click.exceptions.Exit(take_back(run, yes, Place()))


def take_back(run: str, yes: bool, place: Place) -> int:
    """Ask, take a run back, print what became of it; return the exit status."""
    from vfio_doctor.app.output import emit, look
    from vfio_doctor.app.repair_machine import (
        NO_TERMINAL,
        NOTHING_CHANGED,
        boot_tool,
        lines_of,
        root_command,
        to_stderr,
    )
    from vfio_doctor.repair.resume import run_to_undo, undo_run
    from vfio_doctor.report.undo import undo_lines

    if not place.is_root():
        to_stderr(say("undo-needs-root", "Taking a repair back needs root. Run this:"))
        to_stderr(f"  {root_command(None, sys.argv)}")
        return 2
    host = place.host()
    machine = place.machine(host, boot_tool(host))
    meant = run_to_undo(machine, run)
    if not yes and meant is not None and not place.is_terminal():
        to_stderr(NO_TERMINAL)
        return 2
    if not yes and meant is not None:
        emit("\n".join(undo_lines(meant, look("auto", 0, None))) + "\n")
        # What was shown is what is taken back, whatever happens meanwhile.
        run = meant.id
        if not place.consents(say("ask-undo", "Take this back?")):
            to_stderr(NOTHING_CHANGED)
            return 0
    outcome = undo_run(machine, run)
    try:
        emit("\n".join(lines_of(outcome)) + "\n")
    except Failure as error:
        to_stderr(UNTOLD.filled(why=error.message))
        for line in lines_of(outcome):
            to_stderr(line)
        return status(outcome) or 3
    return status(outcome)


def status(outcome: Outcome) -> int:
    """Return 0, 2 (no run of that name to undo) or 4 (not all was taken back)."""
    if outcome.ending is Ending.NOTHING:
        return 2 if outcome.run else 0
    kept = any(step.state is StepState.KEPT for step in outcome.steps)
    return 4 if kept or outcome.ending is not Ending.UNDONE else 0
