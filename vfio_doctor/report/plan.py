"""A plan and what became of it, as lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.boot.words import added
from vfio_doctor.diagnosis.offer import (
    is_set_already,
    needs_reboot_only,
    waits_for_reboot,
)
from vfio_doctor.facts.base import ROOT_SEES_IT as ROOT
from vfio_doctor.messages import in_order, say, verbatim
from vfio_doctor.model import (
    Applicability,
    CommandStep,
    DomainStep,
    FileStep,
    Message,
    NodeStep,
    ParameterStep,
    ProbeStep,
    Severity,
    Status,
)
from vfio_doctor.repair.values import Effect, Ending, StepState
from vfio_doctor.report.page import SAID_OF, Page
from vfio_doctor.report.steps import is_reboot_pending
from vfio_doctor.report.style import Look
from vfio_doctor.report.text import reasons_of
from vfio_doctor.report.untrusted import clean
from vfio_doctor.report.way_back import take_back, way_back
from vfio_doctor.report.wishes import wish

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.boot.backend import ArgumentEdit
    from vfio_doctor.model import Report, Step
    from vfio_doctor.repair.values import (
        Outcome,
        Plan,
        PlannedFix,
        Served,
        StepResult,
        Verdict,
    )

NOT_SEEN = say(
    "plan-nothing-seen",
    "Nothing can be planned from what could be read here; root sees more.",
)
NOTHING = say("plan-nothing", "There is nothing here that this program can repair.")
HEALTHY = say("plan-healthy", "Nothing is wrong: there is nothing to repair.")
FINE = (Status.PASS, Status.NOT_APPLICABLE)
PENDING = say(
    "plan-pending", "A reboot is needed for what was set before: see reboot-pending."
)
ONLY_REBOOT = say(
    "plan-only-reboot",
    "Nothing is left to do but reboot. Then run `vfio-doctor` again.",
)
REBOOT_FIRST = say(
    "plan-reboot-first",
    "What this program can repair is set already, and takes effect at the next reboot.",
)
LATE = say("plan-fix-at-reboot", "{summary} (takes effect at the next reboot)")
ARGUMENTS = say("plan-arguments", "Kernel arguments of the next boot")
BEFORE = say("plan-arguments-before", "before: {line}")
AFTER = say("plan-arguments-after", "after:  {line}")
SIZE = "static_size_mb="
# A line a sentence, for programs and for tests.
UNBROKEN = Look(width=1 << 20)
STATES = {
    StepState.WAITING: say("state-waiting", "not made"),
    StepState.DONE: say("state-done", "done"),
    StepState.LATE: say("state-late", "takes effect at the next boot"),
    StepState.FAILED: say("state-failed", "failed"),
    StepState.UNDONE: say("state-undone", "undone"),
    StepState.KEPT: say("state-kept", "not undone"),
}
# How it ended, and what is to be said after the run's id.
ENDINGS: dict[Ending, tuple[Message, Message | None]] = {
    Ending.NOTHING: (say("outcome-nothing", "Nothing was changed."), None),
    Ending.REFUSED: (say("outcome-refused", "Nothing was changed."), None),
    Ending.DONE: (
        say("outcome-done", "Done."),
        say("outcome-undo", "To take it back: `sudo vfio-doctor undo`"),
    ),
    Ending.ROLLED_BACK: (
        say("outcome-rolled-back", "A step failed."),
        say("outcome-all-back", "What was done was taken back."),
    ),
    Ending.PARTLY_BACK: (
        say("outcome-partly-back", "A step failed."),
        say(
            "outcome-not-all-back",
            "What somebody else changed meanwhile was kept; the rest was taken back.",
        ),
    ),
    Ending.UNDONE: (say("outcome-undone", "Taken back."), None),
    Ending.STUCK: (
        say("outcome-stuck", "A step failed. Not all could be taken back."),
        say("outcome-try-again", "Run `sudo vfio-doctor undo` when the cause is gone."),
    ),
}
BECAUSE = {
    Ending.NOTHING: say("outcome-nothing-why", "Nothing was changed: {why}."),
    Ending.REFUSED: say("outcome-refused-why", "Nothing was changed: {why}."),
    Ending.DONE: say("outcome-done-why", "Done: {why}."),
    Ending.ROLLED_BACK: say("outcome-rolled-back-why", "A step failed: {why}."),
    Ending.PARTLY_BACK: say("outcome-partly-back-why", "A step failed: {why}."),
    Ending.UNDONE: say("outcome-undone-why", "Taken back: {why}."),
    Ending.STUCK: say(
        "outcome-stuck-why", "A step failed: {why}. Not all could be taken back."
    ),
}
EFFECTS = {
    Effect.RESOLVED: say("effect-resolved", "resolved"),
    Effect.AFTER_REBOOT: say("effect-after-reboot", "resolved after reboot"),
    Effect.FAILING: say("effect-failing", "still failing"),
    Effect.UNKNOWN: say("effect-unknown", "could not be decided"),
}


def plan_lines(
    plan: Plan,
    report: Report | None = None,
    look: Look = UNBROKEN,
    dry: bool = False,
    size_hint: bool = True,
) -> list[str]:
    """Return the whole plan; every text of the host is made safe.

    With the report it also says what is to be done by hand and what was left out
    because it could not be told. A ``dry`` run changes nothing, and says so.
    """
    page = Page(look)
    if plan.steps:
        _repairs(plan, page, dry)
        _steps(plan, page)
    else:
        _nothing(plan, report, page)
    if plan.arguments is not None:
        _arguments(plan.arguments, page)
    _left(plan, page)
    _refused(plan, page, titles_of(report))
    _untold(report, page)
    if plan.steps:
        size = chosen_size(plan) if size_hint else ""
        pending = report is not None and is_reboot_pending(report)
        _afterwards(plan, page, dry, size, pending)
    return page.text().splitlines()


def titles_of(report: Report | None) -> dict[str, str]:
    """Return the title of each check, by id."""
    return {r.id: r.heading for r in report.checks} if report is not None else {}


def _nothing(plan: Plan, report: Report | None, page: Page) -> None:
    """Say that nothing is wrong, or what is to be done by hand."""
    nothing = NOT_SEEN if any(one.unseen for one in plan.refused) else NOTHING
    if report is None:
        page.say(nothing)
        return
    found = [(r.heading, d) for r in report.checks for d in r.diagnoses]
    fine = not found and all(r.status in FINE for r in report.checks)
    waits = any(needs_reboot_only(d) for _, d in found)
    set_before = ONLY_REBOOT if _is_all_set(report) else REBOOT_FIRST
    page.say(HEALTHY if fine else set_before if waits else nothing)
    said = [
        SAID_OF.filled(what=title, said=d.finding.advice)
        for title, d in found
        if d.finding.advice and not waits_for_reboot(d)
    ]
    if is_reboot_pending(report) and not waits:
        page.say(PENDING)
    if said:
        page.say(say("plan-by-hand", "By hand:"))
    for one in said:
        page.say(one, "  ", "    ")


def _is_all_set(report: Report) -> bool:
    """Tell whether no fault is left but what waits for the reboot."""
    left = (d for r in report.checks for d in r.diagnoses if not needs_reboot_only(d))
    return all(d.severity is Severity.INFO for d in left)


def _repairs(plan: Plan, page: Page, dry: bool) -> None:
    """List the repairs in the order in which their first steps are made."""
    would = say("plan-would", "This is what would be done:")
    page.heading(would if dry else say("plan-does", "This is what will be done:"))
    for fix in in_order_made(plan):
        page.say(
            LATE.filled(summary=fix.summary) if fix.reboot else fix.summary, "  - "
        )
        if page.look.verbosity > 0:
            places = tuple(f"{f.check} ({f.subject})" for f in fix.findings)
            served = say("plan-fix-serves", "{fix}, for {places}")
            page.say(served.filled(fix=fix.id, places=places), "      ")
        if fix.may_be_lost:
            page.say(fix.may_be_lost, "    ")


def in_order_made(plan: Plan) -> list[PlannedFix]:
    """Return the repairs in the order in which their first steps are made."""
    order = [fix for planned in plan.steps for fix in planned.fixes]
    last = len(order)
    return sorted(
        plan.fixes, key=lambda f: order.index(f.id) if f.id in order else last
    )


def _steps(plan: Plan, page: Page) -> None:
    page.heading(say("plan-steps", "Step by step, in this order:"))
    for number, step in enumerate(shown_steps(plan), 1):
        if page.look.verbosity >= 0 and number > 1:
            page.gap()
        page.whole(f"{number}. {headline(step)}")
        if page.look.verbosity >= 0:
            _detail(step, page)


def _detail(step: Step, page: Page) -> None:
    for line in detail(step):
        if isinstance(step, FileStep):
            page.diff(line, "   ")
        else:
            page.say(line, "   ")


def _arguments(edit: ArgumentEdit, page: Page) -> None:
    page.heading(ARGUMENTS)
    page.whole(BEFORE.filled(line=_words(edit.before)), "  ")
    page.whole(AFTER.filled(line=_words(edit.after)), "  ")


def _untold(report: Report | None, page: Page) -> None:
    reasons = reasons_of(report, Status.UNKNOWN) if report is not None else {}
    left_out = say("plan-untold", "Left out, because it could not be decided: {checks}")
    for reason, ids in reasons.items():
        page.gap()
        page.say(left_out.filled(checks=", ".join(ids)), "", "  ")
        page.say(reason or "", "  ")


def shown_steps(plan: Plan) -> list[Step]:
    """Return the steps that do something now; others are for undo alone."""
    steps = [planned.step for planned in plan.steps]
    return [s for s in steps if not isinstance(s, CommandStep) or s.argv]


def headline(step: Step) -> str:
    """Return one line that says what a step does, made safe."""
    return clean(headline_message(step))


def headline_message(step: Step) -> Message:
    """Return what a step does."""
    if isinstance(step, FileStep):
        if step.after is None:
            return say("step-delete", "Delete {path}", path=step.path)
        if step.before is None:
            return say("step-write", "Write {path}", path=step.path)
        return say("step-change", "Change {path}", path=step.path)
    if isinstance(step, NodeStep):
        return say(
            "step-remove-leftover",
            "Remove the leftover file {path} ({size} bytes; cannot be undone)",
            path=step.path,
            size=step.size,
        )
    if isinstance(step, ProbeStep):
        ask = say("step-probe", "Have the kernel give {address} to {driver}, now")
        return ask.filled(address=step.address, driver=step.driver)
    if isinstance(step, DomainStep):
        again = say("step-domain", "Define the VM {vm} anew, through libvirt")
        return again.filled(vm=step.name)
    if isinstance(step, ParameterStep):
        set_ = say("step-set", "Set {path} from {before} to {after}, now")
        return set_.filled(**step._asdict())
    return say("step-run", "Run {command}", command=command(step.argv or step.inverse))


def command(argv: tuple[str, ...]) -> str:
    """Return an argument vector as it could be typed into a shell."""
    import shlex

    return clean(" ".join(shlex.quote(word) for word in argv))


def detail(step: Step) -> Iterator[str]:
    """Yield what a step changes, line by line."""
    if isinstance(step, FileStep):
        yield from difference(text_of(step.before), text_of(step.after), step.path)
        if step.before is None:
            yield str(say("step-mode", "mode {mode}", mode=f"{step.mode:04o}"))
    elif isinstance(step, DomainStep):
        before, after = without_passwords(step.before), without_passwords(step.after)
        yield from difference(before, after, step.path)
    elif isinstance(step, CommandStep) and step.why:
        yield clean(_purpose(step.brings_forward, step.why))


def without_passwords(definition: bytes) -> str:
    """Return a VM's definition without its passwords."""
    import re

    return re.sub(r"(\bpasswd=)('[^']*'|\"[^\"]*\")", r"\1'...'", text_of(definition))


def _purpose(brings_forward: bool, why: Message) -> Message:
    if not brings_forward:
        return say("step-purpose", "to {purpose}", purpose=why)
    return say(
        "step-purpose-now",
        "to {purpose}; otherwise it takes effect at the next boot",
        purpose=why,
    )


FILE_NOW = say("diff-now", "{name} (now)")
FILE_AFTER = say("diff-after", "{name} (after)")


def difference(before: str, after: str, name: str = "") -> Iterator[str]:
    """Yield a unified diff, every line made safe."""
    from difflib import unified_diff

    old, new = before.splitlines(), after.splitlines()
    now, then = str(FILE_NOW.filled(name=name)), str(FILE_AFTER.filled(name=name))
    for line in unified_diff(old, new, now, then, lineterm=""):
        yield line[:1] + clean(line[1:]) if line[:1] in "+- @" else clean(line)
    if bool(before) and bool(after) and before.endswith("\n") != after.endswith("\n"):
        differs = say("diff-line-end", "the line end at the end of the file differs")
        yield f"\\ {differs}"


def _left(plan: Plan, page: Page) -> None:
    for fix in plan.left:
        said = say("plan-left-manual", "Not done, to be done by hand: {summary}")
        if fix.applicability is Applicability.RISKY:
            said = say("plan-left-risky", "Not done without --risky: {summary}")
        page.gap()
        page.say(said.filled(summary=fix.summary), "", "  ")
        if fix.may_be_lost:
            page.say(fix.may_be_lost, "  ")
        for change in fix.changes:
            page.say(wish(change), "  - ")


def _refused(plan: Plan, page: Page, titles: dict[str, str]) -> None:
    cannot = say("plan-refused", "Cannot be repaired here: {findings}")
    waits = say("plan-waits", "Waits for the reboot: {findings}")
    for refused in plan.refused:
        named = (_named(served, titles) for served in refused.findings)
        found = tuple(dict.fromkeys(named))
        page.gap()
        told = waits if is_set_already(refused.why) else cannot
        page.say(told.filled(findings=found), "", "  ")
        page.say(root_sees(refused.why) if refused.unseen else refused.why, "  ")


def _named(served: Served, titles: dict[str, str]) -> str:
    return f"{titles.get(served.check, served.check)} ({served.subject})"


def _afterwards(plan: Plan, page: Page, dry: bool, size: str, pending: bool) -> None:
    """Say what is needed after the steps, and the ways back."""
    page.gap()
    if size:
        page.say(
            say(
                "plan-size",
                "{size} MiB of shared memory were chosen; `--size MIB` takes another.",
                size=size,
            )
        )
    reboot = say(
        "plan-reboot", "A reboot is needed: some of it takes effect at the next boot."
    )
    if plan.reboot:
        page.say(reboot)
    else:
        page.say(PENDING if pending else say("plan-no-reboot", "No reboot is needed."))
    for line in way_back(plan):
        text = line.lstrip()
        indent = " " * (len(line) - len(text))
        if text.startswith("sudo "):
            page.command(text, indent)
        else:
            page.say(text, indent, indent)
    if plan.arguments is not None:
        page.say(take_back([planned.step for planned in plan.steps]) or "")
    if dry:
        page.gap()
        page.say(say("plan-dry", "Nothing was changed: this was a dry run."))


def chosen_size(plan: Plan) -> str:
    """Return the size of kvmfr's memory that a plan sets, "" if it sets none."""
    edit = plan.arguments
    texts = [" ".join(added(edit))] if edit is not None else []
    for planned in plan.steps:
        if isinstance(planned.step, FileStep):
            old = text_of(planned.step.before).splitlines()
            new = text_of(planned.step.after).splitlines()
            texts += [line for line in new if line not in old]
    sizes = [t.partition(SIZE)[2].split() for t in texts if SIZE in t]
    return next((clean(words[0]) for words in sizes if words), "")


def outcome_lines(
    outcome: Outcome,
    verdicts: tuple[Verdict, ...] = (),
    look: Look = UNBROKEN,
    titles: dict[str, str] | None = None,
) -> list[str]:
    """Return what became of a plan, or of taking a run back."""
    page = Page(look)
    page.say(_ending(outcome))
    for result in outcome.steps:
        _result(result, page)
    if verdicts:
        page.heading(say("outcome-looked-again", "Looked at again:"))
    for verdict in verdicts:
        named: str | Message = _named(verdict.finding, titles or {})
        if verdict.why:
            named = SAID_OF.filled(what=named, said=verdict.why)
        page.say(SAID_OF.filled(what=EFFECTS[verdict.effect], said=named), "  ", "    ")
    if any(verdict.effect is Effect.AFTER_REBOOT for verdict in verdicts):
        page.gap()
        page.say(say("outcome-reboot", "Reboot, then run `vfio-doctor` again."))
    return page.text().splitlines()


def _ending(outcome: Outcome) -> Message:
    run = say("outcome-run", "Run {run}.", run=outcome.run) if outcome.run else None
    what, more = ENDINGS[outcome.ending]
    if outcome.ending is Ending.DONE and not take_back([r.step for r in outcome.steps]):
        more = None
    parts = [what if outcome.why is None else _because(outcome), run, more]
    if outcome.ending in (Ending.ROLLED_BACK, Ending.PARTLY_BACK):
        parts = [parts[0], more, run]
    return in_order(*parts)


def _because(outcome: Outcome) -> Message:
    """Return how it ended, with the reason that every such outcome has."""
    return BECAUSE[outcome.ending].filled(why=outcome.why or verbatim(""))


def _result(result: StepResult, page: Page) -> None:
    step = result.step
    if isinstance(step, CommandStep) and not step.argv:
        if result.state is not StepState.KEPT:
            return
    elif result.state is StepState.WAITING:
        return
    why = f" ({result.why})" if result.why else ""
    did = SAID_OF.filled(what=STATES[result.state], said=headline_message(step))
    page.say(f"{did}{why}", "  ", "    ")
    if any(result.both):
        for line in _both(*result.both):
            page.diff(line, "    ")


def _both(ours: str, now: str) -> Iterator[str]:
    if "\n" not in ours + now:
        yield clean(say("kept-left", "we left: {text}", text=ours))
        yield clean(say("kept-now", "now:     {text}", text=now))
        return
    from difflib import unified_diff

    old, new = ours.splitlines(), now.splitlines()
    left = str(say("kept-diff-left", "as we left it"))
    is_ = str(say("kept-diff-now", "as it is now"))
    yield from map(clean, unified_diff(old, new, left, is_, lineterm=""))


def root_sees(why: Message) -> Message:
    """Return the reason with what root would change about it, said once."""
    return why if why.id == ROOT.id else ROOT.filled(why=why)


def _words(words: tuple[str, ...]) -> str:
    return clean(" ".join(words))


def text_of(data: bytes | None) -> str:
    """Return what a file held as text, "" for no file."""
    return "" if data is None else data.decode("utf-8", "replace")
