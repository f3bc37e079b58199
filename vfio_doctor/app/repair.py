"""``vfio-doctor --fix``: diagnose, plan, show, ask, apply, look again."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from vfio_doctor.app.diagnosis import Diagnosed
from vfio_doctor.app.failure import Failure
from vfio_doctor.app.journal_notes import tell_begun
from vfio_doctor.app.output import emit, look, opened
from vfio_doctor.app.place import Place
from vfio_doctor.app.planning import planned
from vfio_doctor.app.printed import rendered, status_of
from vfio_doctor.app.refused_here import IN_CONTAINER
from vfio_doctor.app.repair_machine import (
    NO_TERMINAL,
    NOTHING_CHANGED,
    boot_tool,
    lines_of,
    root_command,
    to_stderr,
)
from vfio_doctor.messages import say
from vfio_doctor.model import CheckResult
from vfio_doctor.repair.values import Effect, Ending
from vfio_doctor.report.untrusted import ascii_only

if TYPE_CHECKING:
    from vfio_doctor.app.chosen import Chosen
    from vfio_doctor.boot.backend import BootBackend
    from vfio_doctor.model import Diagnosis, Message, Report
    from vfio_doctor.repair.values import Outcome, Plan, Verdict
    from vfio_doctor.report.style import Look

LEFT = say(
    "repair-left-interrupted",
    "Nothing was changed. `sudo vfio-doctor undo` takes it back; "
    "`sudo vfio-doctor --fix --yes` finishes it.",
)
SIZE_UNUSED = say(
    "repair-size-unused",
    "--size {mib} changes nothing: kvmfr has that size, or no repair sets one here.",
)
ACCESS_UNUSED = say(
    "repair-access-unused",
    "--access {way} changes nothing: no repair writes a udev rule here.",
)
INTERRUPTED = say("repair-was-interrupted", "The repair {run} was interrupted.")
UNCHANGED = say("repair-unchanged-since", "Nothing was changed: {why}.")
FAILED = 4
UNTOLD = say("repair-untold", "What was repaired stands here, since: {why}.")
USAGE = 2


def run(
    chosen: Chosen,
    place: Place | None = None,
    done: Diagnosed | None = None,
    more: Plan | None = None,
) -> int:
    """Repair the host and return the exit status of DESIGN section 6.

    ``done`` is the diagnosis of what is chosen, if somebody has made it already, with
    no interrupted run before it; ``more`` is done behind what that leads to.
    """
    # Opened before anything is changed: an outcome that cannot be kept is lost.
    with opened(chosen.output) as output:
        return _run(chosen._replace(output=output), place or Place(), done, more)


def _run(
    chosen: Chosen, place: Place, done: Diagnosed | None, more: Plan | None
) -> int:
    if done is None:
        first = unfinished(chosen, place)
        if isinstance(first, int):
            return first
        done = _with_results(place.look(chosen), first)
    kind = done.report.host.container
    if kind and isinstance(kind, str):
        to_stderr(IN_CONTAINER.filled(kind=kind))
        return USAGE
    plan, backend = planned(done, chosen.risky)
    if more is not None:
        plan = plan._replace(
            steps=(*plan.steps, *more.steps), fixes=(*plan.fixes, *more.fixes)
        )
    if chosen.dry_run or not plan.steps:
        _show(done, plan, chosen)
        # Who repairs once more before the reboot has nothing left to do.
        rest = done.report if plan.steps else _without(done.report, ())
        return _status(rest, chosen)
    if not place.is_root():
        return _not_root(done, plan, chosen)
    if not chosen.yes and not place.is_terminal():
        _show(done, plan, chosen)
        to_stderr(NO_TERMINAL)
        return USAGE
    if not chosen.yes:
        _tell_plan(done, plan, chosen)
        if not place.consents(say("ask-repair", "Do this?")):
            to_stderr(NOTHING_CHANGED)
            return _status(done.report, chosen)
    return _repair(done, plan, backend, chosen, place)


def _repair(
    done: Diagnosed,
    plan: Plan,
    backend: BootBackend | None,
    chosen: Chosen,
    place: Place,
) -> int:
    from vfio_doctor.repair.session import apply_plan
    from vfio_doctor.repair.verify import verify

    if chosen.yes:
        _tell_plan(done, plan, chosen)
    outcome = apply_plan(plan, place.machine(done.host, backend))
    if outcome.ending is not Ending.DONE:
        _finish(done, plan, outcome, (), chosen)
        return FAILED
    again = _before(place.look(chosen), done.report.results)
    verdicts = verify(again.facts, again.registry, plan.fixes, outcome)
    _finish(again, plan, outcome, verdicts, chosen)
    if any(verdict.effect is Effect.FAILING for verdict in verdicts):
        return FAILED
    return _status(_without(again.report, verdicts), chosen)


def _without(report: Report, verdicts: tuple[Verdict, ...]) -> Report:
    """Return the report without what only waits for a reboot, or for such a check."""
    from vfio_doctor.diagnosis.offer import needs_reboot_only

    served = [v.finding for v in verdicts if v.effect is Effect.AFTER_REBOOT]

    def waits(result: CheckResult, one: Diagnosis) -> bool:
        ours = (each for each in served if each.check == result.id)
        return needs_reboot_only(one) or any(s.is_at(one.finding.place) for s in ours)

    def rest(result: CheckResult) -> CheckResult:
        kept = tuple(d for d in result.diagnoses if not waits(result, d))
        return result._replace(diagnoses=kept)

    late = {r.id for r in report.checks if any(waits(r, d) for d in r.diagnoses)}
    due = late | {each.check for each in served}
    checks = (r for r in report.checks if not (r.blocked_by and due >= {*r.blocked_by}))
    return report._replace(checks=tuple(map(rest, checks)))


def _with_results(done: Diagnosed, first: Outcome | None) -> Diagnosed:
    """Return the diagnosis with what became of the run that was interrupted."""
    from vfio_doctor.report.plan_document import results_document

    return _before(done, tuple(results_document(first, ())) if first else None)


def _before(done: Diagnosed, results: tuple[object, ...] | None) -> Diagnosed:
    return done._replace(report=done.report._replace(results=results))


def unfinished(chosen: Chosen, place: Place) -> int | Outcome | None:
    """Bring an interrupted run to an end first, if anything is to be changed."""
    if chosen.capture is None and chosen.dry_run:
        tell_begun(place)
    acts = chosen.capture is None and not chosen.dry_run and place.is_root()
    return interrupted(chosen, place) if acts else None


def interrupted(chosen: Chosen, place: Place) -> int | Outcome | None:
    """Bring an interrupted run to an end first; None if there is none.

    An exit status ends this run as well.
    """
    from vfio_doctor.app.journal_notes import RUNNING
    from vfio_doctor.repair.journal import UNUSABLE, holder, survey, unusable
    from vfio_doctor.repair.resume import finish_run, undo_run
    from vfio_doctor.repair.syscalls import StepFailed, reason

    machine = place.machine(place.host(), None)
    try:
        held = survey(machine.files)
    except (OSError, StepFailed) as error:
        to_stderr(UNCHANGED.filled(why=UNUSABLE.filled(why=reason(error))))
        return FAILED
    for bad in held.unreadable:
        to_stderr(unusable(bad))
    open_now = [r for r in held.runs if r.state.value == "open"]
    if not open_now:
        return None
    run = open_now[-1]
    if by := holder(machine.files):
        to_stderr(RUNNING.filled(run=run.id, by=by))
        return FAILED
    to_stderr(INTERRUPTED.filled(run=run.id))
    way = "finish" if chosen.yes else "leave"
    if not chosen.yes and place.is_terminal():
        way = place.choice(say("ask-interrupted", "Finish it, undo it, or leave it?"))
    if way == "leave":
        to_stderr(LEFT)
        return USAGE
    if run.beginning.tool:
        machine = machine._replace(backend=boot_tool(machine.host))
    act = finish_run if way == "finish" else undo_run
    outcome = act(machine, run.id)
    for line in lines_of(outcome):
        to_stderr(line)
    return FAILED if outcome.ending in (Ending.STUCK, Ending.REFUSED) else outcome


def _not_root(done: Diagnosed, plan: Plan, chosen: Chosen) -> int:
    _show(done, plan, chosen)
    to_stderr(
        say(
            "repair-needs-root",
            "Nothing was changed: repairing needs root. Run this:",
        )
    )
    to_stderr(f"  {root_command(done.facts, sys.argv)}")
    return USAGE


def _plan_text(done: Diagnosed, plan: Plan, chosen: Chosen, look: Look) -> str:
    from vfio_doctor.report.plan import plan_lines

    # A size that was asked for needs no hint that it can be asked for.
    lines = plan_lines(plan, done.report, look, chosen.dry_run, not chosen.size_mib)
    lines += _unused(plan, chosen, look)
    text = "\n".join(lines) + "\n"
    return text if look.utf8 else ascii_only(text)


def _unused(plan: Plan, chosen: Chosen, look: Look) -> list[str]:
    """Return what was asked for and changes nothing in this plan."""
    from vfio_doctor.report.plan import chosen_size
    from vfio_doctor.report.wrap import wrap

    said: list[Message] = []
    if chosen.size_mib and not chosen_size(plan):
        said.append(SIZE_UNUSED.filled(mib=chosen.size_mib))
    granted = any(fix.id == "grant-kvmfr-access" for fix in plan.fixes)
    if chosen.access != "auto" and not granted:
        said.append(ACCESS_UNUSED.filled(way=chosen.access))
    return [
        line
        for message in said
        for line in ("", *wrap(str(message), look.width, "", ""))
    ]


def _tell_plan(done: Diagnosed, plan: Plan, chosen: Chosen) -> None:
    """Show the plan before it is applied; a report for programs stays clean."""
    seen = look(chosen.color, chosen.verbosity, None, chosen)
    text = _plan_text(done, plan, chosen, seen)
    if chosen.format == "text":
        emit(text)
    else:
        click.echo(text, err=True)


def _show(done: Diagnosed, plan: Plan, chosen: Chosen) -> None:
    """Print the report with the plan in it, or the plan alone as text."""
    from vfio_doctor.report.plan_document import plan_document

    if chosen.format == "text":
        seen = look(chosen.color, chosen.verbosity, chosen.output, chosen)
        emit(_plan_text(done, plan, chosen, seen), chosen.output)
        return
    report = done.report._replace(plan=plan_document(plan))
    emit(rendered(done._replace(report=report), chosen, (plan, ())), chosen.output)


def _finish(
    done: Diagnosed,
    plan: Plan,
    outcome: Outcome,
    verdicts: tuple[Verdict, ...],
    chosen: Chosen,
) -> None:
    from vfio_doctor.report.plan import outcome_lines, titles_of
    from vfio_doctor.report.plan_document import plan_document, results_document

    seen = look(chosen.color, chosen.verbosity, chosen.output, chosen)
    lines = outcome_lines(outcome, verdicts, seen, titles_of(done.report))
    text = "\n".join(["", *lines]) + "\n"
    if chosen.format != "text":
        first = done.report.results or ()
        results = (*first, *results_document(outcome, verdicts))
        report = done.report._replace(plan=plan_document(plan), results=results)
        text = rendered(done._replace(report=report), chosen, (plan, tuple(lines)))
    try:
        emit(text, chosen.output)
    except Failure as error:
        to_stderr(UNTOLD.filled(why=error.message))
        for line in lines:
            to_stderr(line)
        status = 3 if outcome.ending is Ending.DONE else FAILED
        raise Failure(error.message, status) from error


def _status(report: Report, chosen: Chosen) -> int:
    return status_of(report, chosen)
