"""``vfio-doctor teardown``: what set-ups have left is taken out, in one plan."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from vfio_doctor.app.chosen import Chosen
from vfio_doctor.app.options import with_examples
from vfio_doctor.app.shared_options import Command, takes
from vfio_doctor.messages import say
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.app.place import Place
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.model import Message
    from vfio_doctor.repair.journal_lines import Run
    from vfio_doctor.repair.teardown import Remains
    from vfio_doctor.repair.values import Plan

LOOKING_GLASS, PASSTHROUGH = "looking-glass", "passthrough"
FAILED, USAGE, UNTOLD = 4, 2, 3
OTHERS_FIX = "teardown-others"
# Notes of VMs that are not as they were.
STAYING = ("teardown-vm-stays", "teardown-vm-may-stay")
NOTHING = say("teardown-nothing", "Nothing of such a set-up was found here.")
NOTHING_SEEN = say(
    "teardown-nothing-seen",
    "Nothing of such a set-up was found in what could be looked into.",
)
NOTHING_TO_TAKE = say(
    "teardown-nothing-to-take",
    "There is nothing here that can be taken out without you, see above.",
)
BY_LOOK = say(
    "teardown-by-look",
    "Only root may read the journal, so vfio-doctor goes by the looks of what is set "
    "up here.",
)
JOURNAL_UNUSABLE = say(
    "teardown-journal-unusable",
    "The journal cannot be used ({why}), so vfio-doctor goes by the looks of what is "
    "set up here.",
)
NEEDS_ROOT = say(
    "teardown-needs-root", "Nothing was changed: this needs root. Run this:"
)
NOT_ASKED = say(
    "teardown-not-asked",
    "What vfio-doctor has not set up stays: --leftovers takes that out, too.",
)
ASK_OTHERS = say(
    "ask-leftovers", "Take out what recipes, other tools or guides left, too?"
)
IOMMU_IS_FOR = say("teardown-is-for", "--iommu is for `teardown {owner}`.")
CAPTURED = say(
    "teardown-captured", "A captured host cannot be torn down; add --dry-run."
)
ASK = say("ask-teardown", "Do this?")
STILL = say("teardown-still-there", "Still there: {what}")
GONE = say("teardown-gone", "Nothing of it is set for the next boot any more.")
GONE_BUT = say(
    "teardown-gone-but", "What is named above and was not taken out is still there."
)
REBOOT = say("teardown-reboot", "Reboot: until then, what is in force now stays so.")


class Wanted(NamedTuple):
    """What the options say."""

    passthrough: bool
    leftovers: bool = False
    iommu: bool = False
    dry_run: bool = False
    yes: bool = False


@click.command("teardown", cls=Command, short_help="Take such a set-up back.")
@click.argument("what", type=click.Choice((PASSTHROUGH, LOOKING_GLASS)))
@click.option(
    "--leftovers",
    is_flag=True,
    help="Also take out what recipes, other tools or guides left, without asking "
    "about it.",
)
@click.option(
    "--iommu",
    is_flag=True,
    help="For passthrough: also take out the arguments that switch the IOMMU on, "
    "unless a VM needs it.",
)
@click.option("--dry-run", is_flag=True, help="Only show the plan. Needs no root.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@takes("user", "capture")
@click.pass_obj
@with_examples
def command(
    chosen: Chosen,
    what: str,
    leftovers: bool,
    iommu: bool,
    dry_run: bool,
    yes: bool,
) -> None:
    """Take a set-up back, in one plan that is shown first, with one reboot.

    The journal says what vfio-doctor has set up; if it is lost, vfio-doctor knows its
    own files and arguments again. What recipes, other tools or guides left behind is
    listed, and you are asked about it separately. What is not known, or what something
    else may need, is named and stays.
    `vfio-doctor undo` takes the tear-down back.
    Exit status: 0 done, or nothing to do; 2 wrong usage, or not possible here; 3 not
    all could be looked into; 4 a step failed, or something is still there.

    Examples:
      vfio-doctor teardown passthrough --dry-run
      sudo vfio-doctor teardown looking-glass --leftovers
    """
    from vfio_doctor.app.place import Place

    if iommu and what != PASSTHROUGH:
        raise click.UsageError(str(IOMMU_IS_FOR.filled(owner=PASSTHROUGH)))
    if chosen.capture is not None and not dry_run:
        raise click.UsageError(str(CAPTURED))
    wanted = Wanted(what == PASSTHROUGH, leftovers, iommu, dry_run, yes)
    raise click.exceptions.Exit(tear_down(wanted, chosen, Place()))


def tear_down(wanted: Wanted, chosen: Chosen, place: Place) -> int:
    """Look, show, ask, plan, ask again, act; return the exit status."""
    from vfio_doctor.app.diagnosis import options_of
    from vfio_doctor.app.journal_notes import tell_begun
    from vfio_doctor.app.open_host import open_host
    from vfio_doctor.app.refused_here import refuse
    from vfio_doctor.app.repair import interrupted
    from vfio_doctor.facts.base import Facts

    acts = chosen.capture is None and not wanted.dry_run and place.is_root()
    if chosen.capture is None and wanted.dry_run:
        tell_begun(place)
    status = interrupted(chosen._replace(yes=wanted.yes), place) if acts else None
    if isinstance(status, int):
        return status
    host = open_host(chosen.capture) if chosen.capture else place.host()
    facts = Facts(host, options_of(chosen))
    refuse(facts)
    runs = _told_runs(host, place, acts) if chosen.capture is None else ()
    return _torn_down(wanted, chosen, place, host, facts, runs)


def _told_runs(host: Reader, place: Place, told: bool) -> tuple[Run, ...]:
    """Return the journal's runs, and tell what of it cannot be read.

    ``told``: of single runs that has been done already.
    """
    from vfio_doctor.app.repair_machine import to_stderr
    from vfio_doctor.repair.journal import survey, unusable
    from vfio_doctor.repair.syscalls import StepFailed, reason

    if not place.is_root():
        to_stderr(BY_LOOK)
        return ()
    try:
        found = survey(place.machine(host, None).files)
        for bad in () if told else found.unreadable:
            to_stderr(unusable(bad))
        return found.runs
    except (OSError, StepFailed) as error:
        to_stderr(JOURNAL_UNUSABLE.filled(why=reason(error)))
        return ()


def _runs(host: Reader, place: Place) -> tuple[Run, ...]:
    """Return the journal's runs once more; () if it cannot be read."""
    from vfio_doctor.repair.journal import runs
    from vfio_doctor.repair.syscalls import StepFailed

    try:
        return runs(place.machine(host, None).files)
    except (OSError, StepFailed):
        return ()


def _torn_down(
    wanted: Wanted,
    chosen: Chosen,
    place: Place,
    host: Reader,
    facts: Facts,
    runs: tuple[Run, ...],
) -> int:
    from vfio_doctor.app.output import emit, look
    from vfio_doctor.facts.leftovers.leftover import Whose
    from vfio_doctor.repair.teardown import plan, remains
    from vfio_doctor.report.teardown import remains_lines

    found = remains(host, facts, wanted.passthrough, runs, wanted.iommu)
    seen = look(chosen.color, chosen.verbosity, None, chosen)
    lines = remains_lines(found, seen)
    theirs = found.of(Whose.OTHERS)
    if not found.has_ours and not theirs:
        by_hand = any(one.by_hand for one in found.staying)
        over = NOTHING_TO_TAKE if by_hand else NOTHING
        lines += [str(NOTHING_SEEN if found.unread else over)]
    emit("\n".join(lines) + "\n")
    if not found.has_ours and not theirs:
        return UNTOLD if found.unread else 0
    others = bool(theirs) and _takes_others(wanted, place)
    made, notes = plan(host, facts, found, others)
    _show(made, notes, bool(theirs) and not others, wanted, chosen)
    stays = any(note.id in STAYING for note in notes)
    if not made.steps or wanted.dry_run:
        if made.refused:
            return USAGE
        return FAILED if stays and not wanted.dry_run else 0
    status = _may_act(wanted, place, facts)
    if status is not None:
        return status
    return _act(made, found, wanted, place, host, stays)


def _takes_others(wanted: Wanted, place: Place) -> bool:
    """Ask apart for what others have left, if there is somebody to ask."""
    asks = not (wanted.dry_run or wanted.yes) and place.is_root()
    if wanted.leftovers or not asks or not place.is_terminal():
        return wanted.leftovers
    return place.consents(ASK_OTHERS)


def _show(
    made: Plan,
    notes: tuple[Message, ...],
    stay: bool,
    wanted: Wanted,
    chosen: Chosen,
) -> None:
    from vfio_doctor.app.output import emit, look
    from vfio_doctor.app.repair_machine import to_stderr
    from vfio_doctor.report.plan import plan_lines

    seen = look(chosen.color, chosen.verbosity, None, chosen)
    if made.steps or made.refused:
        emit("\n" + "\n".join(plan_lines(made, None, seen, wanted.dry_run)) + "\n")
    for message in (*notes, *((NOT_ASKED,) if stay else ())):
        to_stderr(message)


def _may_act(wanted: Wanted, place: Place, facts: Facts) -> int | None:
    """Return None if the plan may be carried out, else the exit status."""
    from vfio_doctor.app.repair_machine import (
        NO_TERMINAL,
        NOTHING_CHANGED,
        root_command,
        to_stderr,
    )

    if not place.is_root():
        to_stderr(NEEDS_ROOT)
        to_stderr(f"  {root_command(facts, sys.argv)}")
        return USAGE
    if not wanted.yes and not place.is_terminal():
        to_stderr(NO_TERMINAL)
        return USAGE
    if not wanted.yes and not place.consents(ASK):
        to_stderr(NOTHING_CHANGED)
        return 0
    return None


def _act(
    made: Plan,
    found: Remains,
    wanted: Wanted,
    place: Place,
    host: Reader,
    stays: bool,
) -> int:
    """Carry the plan out, and look again; ``stays``: a VM is left as it is."""
    from vfio_doctor.app.output import emit
    from vfio_doctor.app.repair_machine import lines_of
    from vfio_doctor.boot.backend import BootBackend
    from vfio_doctor.repair.session import apply_plan
    from vfio_doctor.repair.values import Ending

    tool = found.backend if isinstance(found.backend, BootBackend) else None
    outcome = apply_plan(made, place.machine(host, tool))
    lines = lines_of(outcome)
    if outcome.ending is not Ending.DONE:
        emit("\n".join(lines) + "\n")
        return FAILED
    others = any(fix.id == OTHERS_FIX for fix in made.fixes)
    left = _left(wanted, others, place)
    over = GONE_BUT if stays or _leaves_some(found, others) else GONE
    lines += [str(STILL.filled(what=what)) for what in left] or [str(over)]
    emit("\n".join([*lines, str(REBOOT)]) + "\n")
    return FAILED if left or stays else 0


def _leaves_some(found: Remains, others: bool) -> bool:
    """Tell whether something of the set-up was not to go, or could not be seen."""
    from vfio_doctor.facts.leftovers.leftover import Whose

    theirs = found.of(Whose.OTHERS) and not others
    by_hand = any(one.by_hand for one in found.staying)
    return bool(found.unread or theirs or by_hand)


def _left(wanted: Wanted, others: bool, place: Place) -> tuple[Message, ...]:
    """Return what is there still of that which was to go."""
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.facts.leftovers.leftover import Whose
    from vfio_doctor.repair.teardown import remains

    host = place.host()
    runs = _runs(host, place)
    found = remains(host, Facts(host), wanted.passthrough, runs, wanted.iommu)
    meant = found.of(Whose.OURS) + (found.of(Whose.OTHERS) if others else ())
    return tuple(one.what for one in meant)
