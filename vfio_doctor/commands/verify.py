"""``vfio-doctor verify``: whether what was repaired is still so, for machines."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from vfio_doctor.app.options import with_examples
from vfio_doctor.app.shared_options import Command
from vfio_doctor.messages import say
from vfio_doctor.repair.values import Effect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.app.place import Place
    from vfio_doctor.host.reader import Reader
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
HOLDS = say("verify-holds", "In effect: {what}.")
LOST = say("verify-lost", "Not in effect: {what}: {why}.")
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
    is back, a card is not on vfio-pci or in another group than at set-up, or a repair
    was interrupted; 2 it needs root; 3 it could not be told.

    Examples:
      sudo vfio-doctor verify
      sudo vfio-doctor verify --quiet || echo "see: vfio-doctor"
    """
    from vfio_doctor.app.place import Place

    raise click.exceptions.Exit(look(Place(), quiet))


def look(place: Place, quiet: bool) -> int:
    """Print what is not as it was repaired; return the exit status."""
    from vfio_doctor.app.repair_machine import root_command, to_stderr
    from vfio_doctor.repair.journal import UNUSABLE, survey, unusable
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
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.repair.journal_lines import RunState, standing
    from vfio_doctor.repair.verify import still_so

    left = standing(runs)
    by = _at_work(place, left)
    if by is not None:
        yield 3, by
        return
    for run in left:
        if run.state is RunState.OPEN:
            yield 1, INTERRUPTED.filled(run=run.id)
    if not any(fix.findings for run in left for fix in run.beginning.fixes):
        yield 0, NOTHING
        return
    host = place.host()
    facts = Facts(host)
    served = (f for run in left for fix in run.beginning.fixes for f in fix.findings)
    # What was repaired is judged, and no more: this is to be quick.
    rules = place.rules(facts, tuple(sorted({found.check for found in served})))
    verdicts = still_so(host, facts, rules, left)
    for verdict in verdicts:
        check, subject = verdict.finding.check, verdict.finding.subject
        if verdict.effect is Effect.FAILING:
            yield 1, BACK.filled(subject=subject, check=check)
        elif verdict.effect is Effect.UNKNOWN:
            yield 3, UNTOLD.filled(check=check, subject=subject, why=verdict.why or "?")
    yield from _cards(host, left)
    yield from _sum(verdicts)


def _at_work(place: Place, left: tuple[Run, ...]) -> Message | None:
    """Return that a repair is at work: until its end nothing can be told of it."""
    if not left:
        return None
    from vfio_doctor.app.journal_notes import RUNNING, begun

    lines = reversed(begun(place.machine(place.host(), None), left))
    return next((line for line in lines if line.id == RUNNING.id), None)


def _cards(host: Reader, left: tuple[Run, ...]) -> Iterator[tuple[int, Message]]:
    """Yield what became of each card that is bound, once it has to be."""
    from vfio_doctor.repair.bound import bound
    from vfio_doctor.repair.target import boot_id

    binding = [run for run in left if run.binds]
    if not binding or binding[-1].beginning.boot == boot_id(host):
        return
    for one in bound(host):
        if one.in_effect is False:
            yield 1, LOST.filled(what=one.what, why=one.why or "?")
        else:
            yield 0, HOLDS.filled(what=one.what)


def _sum(verdicts: tuple[Verdict, ...]) -> Iterator[tuple[int, Message]]:
    effects = {verdict.effect for verdict in verdicts}
    if Effect.AFTER_REBOOT in effects:
        late = {v.finding.check for v in verdicts if v.effect is Effect.AFTER_REBOOT}
        yield 0, WAITS.filled(checks=tuple(sorted(late)))
    elif effects <= {Effect.RESOLVED}:
        yield 0, ALL_WELL
