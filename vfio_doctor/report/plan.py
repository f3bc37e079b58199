"""A plan and what became of it, as lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.boot.selection import named
from vfio_doctor.boot.words import added, removed
from vfio_doctor.messages import say
from vfio_doctor.model import CommandStep, FileStep, NodeStep, ParameterStep, Status
from vfio_doctor.repair.values import Effect, Ending, StepState
from vfio_doctor.report.untrusted import clean

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.boot.backend import ArgumentEdit
    from vfio_doctor.model import Report, Step
    from vfio_doctor.repair.values import (
        Outcome,
        Plan,
        PlannedFix,
        StepResult,
        Verdict,
    )

NOTHING = say(
    "plan-nothing", "There is nothing to repair here that this program can repair."
)
HEALTHY = say("plan-healthy", "Nothing is wrong: there is nothing to repair.")
BY_HAND = say("plan-by-hand", "By hand:")
DOES = say("plan-does", "This is what will be done:")
SAFE_FIX = say("plan-fix-safe", "{fix} (safe): {summary}")
RISKY_FIX = say("plan-fix-risky", "{fix} (risky): {summary}")
SERVES = say("plan-fix-serves", "for {check}: {place}")
ARGUMENTS = say("plan-arguments", "Kernel arguments of the next boot")
BEFORE = say("plan-arguments-before", "before: {arguments}")
AFTER = say("plan-arguments-after", "after:  {arguments}")
UNTOLD = say("plan-untold", "Left out, because nobody could tell: {checks}")
WRITE = say("step-write", "Write {path}")
CHANGE = say("step-change", "Change {path}")
DELETE = say("step-delete", "Delete {path}")
LEFTOVER = say(
    "step-leftover", "Remove the leftover file {path} ({size} bytes; cannot be undone)"
)
SET = say("step-set", "Set {path} from {before} to {after}, now")
RUN = say("step-run", "Run {command}")
MODE = say("step-mode", "mode {mode}")
TO = say("step-purpose", "to {purpose}")
TO_LATE = say(
    "step-purpose-or-late",
    "to {purpose}; otherwise it takes effect at the next boot",
)
LINE_END = say("diff-line-end", "the line end at the end of the file differs")
LEFT_RISKY = say(
    "plan-left-risky", "Not done: {fix}, asked for with --risky: {summary}"
)
LEFT_MANUAL = say("plan-left-manual", "Not done: {fix}, to be done by hand: {summary}")
REFUSED = say("plan-refused", "Cannot be done: {fixes}, for {found}")
FOUND = say("plan-refused-finding", "{check} ({place})")
UNSEEN = say("plan-refused-unseen", "{why}; run as root to see it")
REBOOT = say("plan-reboot", "A reboot is needed for {fixes}.")
NO_REBOOT = say("plan-no-reboot", "No reboot is needed.")
UNDO = say("plan-undo", "To take it back: {command}")
IF_FAILS = say("way-back", "If the next boot fails:")
ENTRY_BEFORE = say(
    "way-back-entry",
    "In the boot menu choose the entry before the newest, then run:",
)
EDIT_OUT = say(
    "way-back-remove", "In the boot menu press e, remove {new}, start it, then run:"
)
EDIT_IN = say(
    "way-back-restore",
    "In the boot menu press e, put {gone} back, start it, then run:",
)
EDIT_BOTH = say(
    "way-back-remove-and-restore",
    "In the boot menu press e, remove {new} and put {gone} back, start it, then run:",
)
UNDO_COMMAND = "sudo vfio-doctor undo"
NOTHING_DONE = say("outcome-nothing", "Nothing was changed.")
NOTHING_WHY = say("outcome-nothing-why", "Nothing was changed: {why}.")
DONE = say("outcome-done", "Done. Run {run}. To take it back: {command}")
DONE_WHY = say("outcome-done-why", "Done: {why}. Run {run}. To take it back: {command}")
ROLLED_BACK = say(
    "outcome-rolled-back",
    "A step failed: {why}. What was done was taken back. Run {run}.",
)
UNDONE = say("outcome-undone", "Taken back. Run {run}.")
UNDONE_WHY = say("outcome-undone-why", "Taken back: {why}. Run {run}.")
STUCK = say(
    "outcome-stuck",
    "A step failed. Not all could be taken back. Run {run}. Run {command} when the "
    "cause is gone.",
)
STUCK_WHY = say(
    "outcome-stuck-why",
    "A step failed: {why}. Not all could be taken back. Run {run}. Run {command} "
    "when the cause is gone.",
)
AGAIN = say("outcome-looked-again", "Looked at again:")
SEEN = say("outcome-finding", "{effect}: {check}, {place}")
SEEN_WHY = say("outcome-finding-why", "{effect}: {check}, {place} ({why})")
REBOOT_NOW = say("outcome-reboot", "Reboot, then run vfio-doctor again.")
STEP = say("outcome-step", "{state}: {step}")
STEP_WHY = say("outcome-step-why", "{state}: {step} ({why})")
WE_LEFT = say("kept-we-left", "we left: {text}")
NOW = say("kept-now", "now:     {text}")
STATES = {
    StepState.WAITING: say("state-waiting", "not made"),
    StepState.DONE: say("state-done", "done"),
    StepState.LATE: say("state-late", "takes effect at the next boot"),
    StepState.FAILED: say("state-failed", "failed"),
    StepState.UNDONE: say("state-undone", "undone"),
    StepState.KEPT: say("state-kept", "not undone"),
}
EFFECTS = {
    Effect.RESOLVED: say("effect-resolved", "resolved"),
    Effect.AFTER_REBOOT: say("effect-after-reboot", "resolved after reboot"),
    Effect.FAILING: say("effect-failing", "still failing"),
    Effect.UNKNOWN: say("effect-unknown", "could not be told"),
}
FINE = (Status.PASS, Status.NOT_APPLICABLE)


def plan_lines(plan: Plan, report: Report | None = None) -> list[str]:
    """Return the whole plan; every text of the host is made safe.

    With the report it also says what is to be done by hand and what was left out
    because it could not be told.
    """
    lines = list(_fixes(plan)) if plan.steps else _nothing(report)
    for number, planned in enumerate(_shown(plan), 1):
        lines += ["", f"{number}. {headline(planned)}"]
        lines += [f"   {line}" for line in detail(planned)]
    if plan.arguments is not None:
        lines += ["", "Kernel arguments of the next boot"]
        lines += [f"  before: {_words(plan.arguments.before)}"]
        lines += [f"  after:  {_words(plan.arguments.after)}"]
    lines += [*_left(plan), *_refused(plan), *_untold(report)]
    if plan.steps:
        lines += ["", *_reboot(plan), "", *way_back(plan)]
    return lines


def _nothing(report: Report | None) -> list[str]:
    """Return that nothing is wrong, or what is to be done by hand."""
    if report is None:
        return [NOTHING]
    found = [(r.id, d.finding) for r in report.checks for d in r.diagnoses]
    if not found:
        fine = all(r.status in FINE for r in report.checks)
        return [HEALTHY if fine else NOTHING]
    said = [f"  {name}: {clean(f.advice)}" for name, f in found if f.advice]
    return [NOTHING, *(["By hand:", *said] if said else [])]


def _untold(report: Report | None) -> Iterator[str]:
    reasons: dict[str, list[str]] = {}
    for result in report.checks if report is not None else ():
        if result.status is Status.UNKNOWN:
            reasons.setdefault(str(result.reason), []).append(result.id)
    for reason, ids in reasons.items():
        yield ""
        yield f"Left out, as it could not be told: {', '.join(ids)}"
        yield f"  {clean(reason)}"


def _shown(plan: Plan) -> list[Step]:
    """Return the steps that do something now; others are for undo alone."""
    steps = [planned.step for planned in plan.steps]
    return [s for s in steps if not isinstance(s, CommandStep) or s.argv]


def _fixes(plan: Plan) -> Iterator[str]:
    yield "This is what will be done:"
    for fix in plan.fixes:
        yield f"  {fix.id} ({fix.applicability.value}): {clean(fix.summary)}"
        for found in fix.findings:
            yield f"    for {found.check}: {clean(found.subject)}"


def headline(step: Step) -> str:
    """Return one line that says what a step does."""
    if isinstance(step, FileStep):
        verb = "Write" if step.before is None else "Change"
        verb = "Delete" if step.after is None else verb
        return f"{verb} {clean(step.path)}"
    if isinstance(step, NodeStep):
        size = f"{step.size} bytes"
        return f"Remove the leftover file {clean(step.path)} ({size}; cannot be undone)"
    if isinstance(step, ParameterStep):
        path, before, after = map(clean, step)
        return f"Set {path} from {before} to {after}, now"
    return f"Run {command(step.argv or step.inverse)}"


def command(argv: tuple[str, ...]) -> str:
    """Return an argument vector as it could be typed into a shell."""
    import shlex

    return clean(" ".join(shlex.quote(word) for word in argv))


def detail(step: Step) -> Iterator[str]:
    """Yield what a step changes, line by line."""
    if isinstance(step, FileStep):
        yield from difference(_text(step.before), _text(step.after), step.path)
        if step.before is None:
            yield f"mode {step.mode:04o}"
    elif isinstance(step, CommandStep) and step.why:
        end = "; otherwise it takes effect at the next boot"
        yield f"to {clean(step.why)}{end if step.brings_forward else ''}"


def difference(before: str, after: str, name: str = "") -> Iterator[str]:
    """Yield a unified diff, every line made safe."""
    from difflib import unified_diff

    old, new = before.splitlines(), after.splitlines()
    for line in unified_diff(old, new, f"{name} (now)", f"{name} (after)", lineterm=""):
        yield line[:1] + clean(line[1:]) if line[:1] in "+- @" else clean(line)
    if bool(before) and bool(after) and before.endswith("\n") != after.endswith("\n"):
        yield "\\ the line end at the end of the file differs"


def _left(plan: Plan) -> Iterator[str]:
    for fix in plan.left:
        why = (
            "asked for with --risky"
            if fix.applicability.value == "risky"
            else ("to be done by hand")
        )
        yield ""
        yield f"Not done: {fix.id}, {why}: {clean(fix.summary)}"
        yield from (f"  {line}" for line in _wishes(fix))


def _wishes(fix: PlannedFix) -> Iterator[str]:
    for change in fix.changes:
        fields = (f"{n}={v!r}" for n, v in change._asdict().items() if v)
        yield clean(f"{type(change).__name__}: {', '.join(fields)}")


def _refused(plan: Plan) -> Iterator[str]:
    for refused in plan.refused:
        found = ", ".join(f"{f.check} ({f.subject})" for f in refused.findings)
        more = "; run as root to see it" if refused.unseen else ""
        yield ""
        yield f"Cannot be done: {', '.join(refused.fixes)}, for {clean(found)}"
        yield f"  {clean(refused.why)}{more}"


def _reboot(plan: Plan) -> Iterator[str]:
    if plan.reboot:
        names = ", ".join(fix.id for fix in plan.fixes if fix.reboot)
        yield f"A reboot is needed for {names}."
    else:
        yield "No reboot is needed."


def way_back(plan: Plan) -> list[str]:
    """Return the two commands to get back if the next boot fails."""
    if plan.arguments is None:
        return ["To take it back: sudo vfio-doctor undo"]
    first = "In the boot menu choose the entry before the newest, then run:"
    back = named(plan.tool).rollback
    if not back:
        back = "vfio-doctor undo"
        press = _edited_back(plan.arguments)
        first = f"In the boot menu press e, {press}, start it, then run:"
    return [
        "If the next boot fails:",
        f"  {first}",
        f"    sudo {back}",
        "    sudo systemctl reboot",
    ]


def _edited_back(edit: ArgumentEdit) -> str:
    """Return what to do by hand to the next boot's words, as they were before."""
    new, gone = added(edit), removed(edit)
    out = [f"take out {_words(new)}"] if new else []
    back = [f"put {_words(gone)} back"] if gone else []
    return " and ".join((*out, *back))


def outcome_lines(outcome: Outcome, verdicts: tuple[Verdict, ...] = ()) -> list[str]:
    """Return what became of a plan, or of taking a run back."""
    lines = [_ending(outcome)]
    for result in outcome.steps:
        lines += _result(result)
    if verdicts:
        lines += ["", "Looked at again:"]
    for verdict in verdicts:
        why = f" ({clean(verdict.why)})" if verdict.why else ""
        found = f"{verdict.finding.check}, {clean(verdict.finding.subject)}"
        lines.append(f"  {verdict.effect.value}: {found}{why}")
    if any(verdict.effect is Effect.AFTER_REBOOT for verdict in verdicts):
        lines.append("Reboot, then run vfio-doctor again.")
    return lines


def _ending(outcome: Outcome) -> str:
    why = f": {clean(outcome.why)}" if outcome.why else ""
    run = f" Run {outcome.run}." if outcome.run else ""
    said = {
        Ending.NOTHING: f"Nothing was changed{why}.",
        Ending.DONE: f"Done{why}.{run} To take it back: sudo vfio-doctor undo",
        Ending.REFUSED: f"Nothing was changed{why}.",
        Ending.ROLLED_BACK: f"A step failed{why}. What was done was taken back.{run}",
        Ending.UNDONE: f"Taken back{why}.{run}",
        Ending.STUCK: f"A step failed{why}. Not all could be taken back.{run} "
        "Run sudo vfio-doctor undo when the cause is gone.",
    }
    return said[outcome.ending]


def _result(result: StepResult) -> list[str]:
    step = result.step
    if isinstance(step, CommandStep) and not step.argv:
        if result.state is not StepState.KEPT:
            return []
    elif result.state is StepState.WAITING:
        return []
    why = f" ({clean(result.why)})" if result.why else ""
    lines = [f"  {result.state.value}: {headline(step)}{why}"]
    if any(result.both):
        lines += [f"    {line}" for line in _both(*result.both)]
    return lines


def _both(ours: str, now: str) -> Iterator[str]:
    if "\n" not in ours + now:
        yield f"we left: {clean(ours)}"
        yield f"now:     {clean(now)}"
        return
    from difflib import unified_diff

    lines = (ours.splitlines(), now.splitlines(), "as we left it", "as it is now")
    yield from (clean(line) for line in unified_diff(*lines, lineterm=""))


def _words(words: tuple[str, ...]) -> str:
    return clean(" ".join(words))


def _text(data: bytes | None) -> str:
    return "" if data is None else data.decode("utf-8", "replace")
