"""``vfio-doctor verify``: whether what was repaired is still so, for machines."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from vfio_doctor.app.chosen import Chosen
from vfio_doctor.app.options import with_examples
from vfio_doctor.app.shared_options import Command
from vfio_doctor.messages import say
from vfio_doctor.repair.values import Effect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.app.place import Place
    from vfio_doctor.model import Message
    from vfio_doctor.repair.journal_lines import Run
    from vfio_doctor.repair.values import Verdict

ALL_WELL = say("verify-well", "Everything that was repaired here is still so.")
NOTHING = say(
    "verify-nothing", "Nothing was repaired here: there is nothing to verify."
)
WAITS = say("verify-waits", "A reboot is needed: {checks}.")
BACK = say("verify-back", "A fault that was repaired is back: {check} ({subject})")
UNTOLD = say("verify-untold", "It could not be told: {check} ({subject}): {why}")
INTERRUPTED = say("verify-interrupted", "The repair {run} was interrupted.")
NEEDS_ROOT = say("verify-needs-root", "Only root may read what was repaired. Run this:")


@click.command(
    "verify", cls=Command, short_help="Check that what was repaired is still so."
)
@click.option("-q", "--quiet", is_flag=True, help="Print nothing: the status tells.")
@with_examples
def command(quiet: bool) -> None:
    """Judge again what was repaired here, and nothing else: made for scripts.

    After an update of the system, a greenboot check or a timer learns from the exit
    status whether the repairs still hold: 0 they do, or wait for a reboot; 1 a fault
    is back, or a repair was interrupted; 3 it could not be told. Needs root.

    Examples:
      vfio-doctor verify
      vfio-doctor verify --quiet || echo "see: vfio-doctor"
    """
    from vfio_doctor.app.place import Place

    raise click.exceptions.Exit(look(Place(), quiet))


def look(place: Place, quiet: bool) -> int:
    """Print what is not as it was repaired; return the exit status."""
    from vfio_doctor.app.repair_machine import root_command, to_stderr
    from vfio_doctor.repair.journal import survey
    from vfio_doctor.repair.resume import UNUSABLE, unusable
    from vfio_doctor.repair.syscalls import StepFailed, reason

    if not place.is_root():
        to_stderr(NEEDS_ROOT)
        to_stderr(f"  {root_command(None, sys.argv)}")
        return 2
    try:
        held = survey(place.machine(place.host(), None).files)
    except (OSError, StepFailed) as error:
        to_stderr(UNUSABLE.filled(why=reason(error)))
        return 3
    told = [(3, unusable(bad)) for bad in held.unreadable]
    told += _judged(place, held.runs)
    if not quiet:
        for status, line in told:
            click.echo(str(line), err=status != 0)
    statuses = {status for status, _ in told}
    return 1 if 1 in statuses else max(statuses, default=0)


def _judged(place: Place, runs: tuple[Run, ...]) -> Iterator[tuple[int, Message]]:
    from vfio_doctor.repair.journal_lines import RunState
    from vfio_doctor.repair.verify import still_so

    standing = tuple(run for run in runs if run.state is not RunState.UNDONE)
    for run in standing:
        if run.state is RunState.OPEN:
            yield 1, INTERRUPTED.filled(run=run.id)
    if not standing:
        yield 0, NOTHING
        return
    done = place.look(Chosen())
    verdicts = still_so(done.host, done.facts, done.registry, standing)
    for verdict in verdicts:
        check, subject = verdict.finding.check, verdict.finding.subject
        if verdict.effect is Effect.FAILING:
            yield 1, BACK.filled(subject=subject, check=check)
        elif verdict.effect is Effect.UNKNOWN:
            yield 3, UNTOLD.filled(check=check, subject=subject, why=verdict.why or "?")
    yield from _sum(verdicts)


def _sum(verdicts: tuple[Verdict, ...]) -> Iterator[tuple[int, Message]]:
    effects = {verdict.effect for verdict in verdicts}
    if Effect.AFTER_REBOOT in effects:
        late = {v.finding.check for v in verdicts if v.effect is Effect.AFTER_REBOOT}
        yield 0, WAITS.filled(checks=tuple(sorted(late)))
    elif effects <= {Effect.RESOLVED}:
        yield 0, ALL_WELL
