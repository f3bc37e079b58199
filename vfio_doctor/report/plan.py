"""A plan and what became of it, as lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.boot.selection import named
from vfio_doctor.boot.words import added, removed
from vfio_doctor.facts.base import ROOT_SEES_IT as ROOT
from vfio_doctor.messages import in_order, say, verbatim
from vfio_doctor.model import (
    Applicability,
    CommandStep,
    FileStep,
    Message,
    NodeStep,
    ParameterStep,
    Status,
)
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
FINE = (Status.PASS, Status.NOT_APPLICABLE)
UNDO = "sudo vfio-doctor undo"
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
        say("outcome-undo", "To take it back: {command}", command=UNDO),
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
        say("outcome-try-again", "Run {command} when the cause is gone.", command=UNDO),
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
        lines += ["", *_arguments(plan.arguments)]
    lines += [*_left(plan), *_refused(plan), *_untold(report)]
    if plan.steps:
        lines += ["", *_reboot(plan), "", *way_back(plan)]
    return lines


def _nothing(report: Report | None) -> list[str]:
    """Return that nothing is wrong, or what is to be done by hand."""
    if report is None:
        return [str(NOTHING)]
    found = [(r.id, d.finding) for r in report.checks for d in r.diagnoses]
    if not found:
        fine = all(r.status in FINE for r in report.checks)
        return [str(HEALTHY if fine else NOTHING)]
    said = [f"  {name}: {clean(f.advice)}" for name, f in found if f.advice]
    by_hand = say("plan-by-hand", "By hand:")
    return [str(NOTHING), *([str(by_hand), *said] if said else [])]


def _arguments(edit: ArgumentEdit) -> Iterator[str]:
    yield str(say("plan-arguments", "Kernel arguments of the next boot"))
    before, after = _words(edit.before), _words(edit.after)
    yield f"  {say('plan-arguments-before', 'before: {line}', line=before)}"
    yield f"  {say('plan-arguments-after', 'after:  {line}', line=after)}"


def _untold(report: Report | None) -> Iterator[str]:
    reasons: dict[Message | None, list[str]] = {}
    for result in report.checks if report is not None else ():
        if result.status is Status.UNKNOWN:
            reasons.setdefault(result.reason, []).append(result.id)
    left_out = say("plan-untold", "Left out, because it could not be decided: {checks}")
    for reason, ids in reasons.items():
        yield ""
        yield str(left_out.filled(checks=", ".join(ids)))
        yield f"  {clean(reason or '')}"


def _shown(plan: Plan) -> list[Step]:
    """Return the steps that do something now; others are for undo alone."""
    steps = [planned.step for planned in plan.steps]
    return [s for s in steps if not isinstance(s, CommandStep) or s.argv]


def _fixes(plan: Plan) -> Iterator[str]:
    yield str(say("plan-does", "This is what will be done:"))
    serves = say("plan-fix-serves", "for {check}: {place}")
    for fix in plan.fixes:
        yield f"  {fix.id} ({fix.applicability.value}): {clean(fix.summary)}"
        for found in fix.findings:
            filled = serves.filled(check=found.check, place=found.subject)
            yield f"    {clean(filled)}"
        if fix.may_be_lost:
            yield f"    {clean(fix.may_be_lost)}"


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
        yield from difference(_text(step.before), _text(step.after), step.path)
        if step.before is None:
            yield str(say("step-mode", "mode {mode}", mode=f"{step.mode:04o}"))
    elif isinstance(step, CommandStep) and step.why:
        yield clean(_purpose(step.brings_forward, step.why))


def _purpose(brings_forward: bool, why: Message) -> Message:
    if not brings_forward:
        return say("step-purpose", "to {purpose}", purpose=why)
    return say(
        "step-purpose-now",
        "to {purpose}; otherwise it takes effect at the next boot",
        purpose=why,
    )


def difference(before: str, after: str, name: str = "") -> Iterator[str]:
    """Yield a unified diff, every line made safe."""
    from difflib import unified_diff

    old, new = before.splitlines(), after.splitlines()
    for line in unified_diff(old, new, f"{name} (now)", f"{name} (after)", lineterm=""):
        yield line[:1] + clean(line[1:]) if line[:1] in "+- @" else clean(line)
    if bool(before) and bool(after) and before.endswith("\n") != after.endswith("\n"):
        differs = say("diff-line-end", "the line end at the end of the file differs")
        yield f"\\ {differs}"


def _left(plan: Plan) -> Iterator[str]:
    for fix in plan.left:
        said = say("plan-left-manual", "Not done: {fix}, to be done by hand: {summary}")
        if fix.applicability is Applicability.RISKY:
            said = say("plan-left-risky", "Not done without --risky: {fix}: {summary}")
        yield ""
        yield clean(said.filled(fix=fix.id, summary=fix.summary))
        if fix.may_be_lost:
            yield f"  {clean(fix.may_be_lost)}"
        yield from (f"  {line}" for line in _wishes(fix))


def _wishes(fix: PlannedFix) -> Iterator[str]:
    for change in fix.changes:
        held = change._asdict().items()
        plain = ((n, str(v) if isinstance(v, Message) else v) for n, v in held if v)
        fields = (f"{name}={value!r}" for name, value in plain)
        yield clean(f"{type(change).__name__}: {', '.join(fields)}")


def _refused(plan: Plan) -> Iterator[str]:
    cannot = say("plan-refused", "Cannot be done: {fixes}, for {findings}")
    for refused in plan.refused:
        found = ", ".join(f"{f.check} ({f.subject})" for f in refused.findings)
        yield ""
        yield clean(cannot.filled(fixes=", ".join(refused.fixes), findings=found))
        yield f"  {clean(root_sees(refused.why) if refused.unseen else refused.why)}"


def _reboot(plan: Plan) -> Iterator[str]:
    if plan.reboot:
        names = tuple(fix.id for fix in plan.fixes if fix.reboot)
        yield str(say("plan-reboot", "A reboot is needed for {fixes}.", fixes=names))
    else:
        yield str(say("plan-no-reboot", "No reboot is needed."))


def way_back(plan: Plan) -> list[str]:
    """Return the two commands to get back if the next boot fails."""
    if plan.arguments is None:
        undo = say("plan-undo", "To take it back: {command}", command=UNDO)
        return [str(undo)]
    back = named(plan.tool).rollback
    first = say(
        "way-back-entry",
        "In the boot menu choose the entry before the newest, then run:",
    )
    return [
        str(say("way-back", "If the next boot fails:")),
        f"  {clean(first if back else _edited_back(plan.arguments))}",
        f"    {f'sudo {back}' if back else UNDO}",
        "    sudo systemctl reboot",
    ]


def _edited_back(edit: ArgumentEdit) -> Message:
    """Return what to do by hand to the next boot's words, as they were before."""
    new, gone = " ".join(added(edit)), " ".join(removed(edit))
    if new and gone:
        return say(
            "way-back-both",
            "In the boot menu press e, remove {new} and put {gone} back, start it, "
            "then run:",
            new=new,
            gone=gone,
        )
    if gone:
        return say(
            "way-back-put-back",
            "In the boot menu press e, put {gone} back, start it, then run:",
            gone=gone,
        )
    return say(
        "way-back-remove",
        "In the boot menu press e, remove {new}, start it, then run:",
        new=new,
    )


def outcome_lines(outcome: Outcome, verdicts: tuple[Verdict, ...] = ()) -> list[str]:
    """Return what became of a plan, or of taking a run back."""
    lines = [_ending(outcome)]
    for result in outcome.steps:
        lines += _result(result)
    if verdicts:
        lines += ["", str(say("outcome-looked-again", "Looked at again:"))]
    for verdict in verdicts:
        why = f" ({clean(verdict.why)})" if verdict.why else ""
        found = f"{verdict.finding.check}, {clean(verdict.finding.subject)}"
        lines.append(f"  {EFFECTS[verdict.effect]}: {found}{why}")
    if any(verdict.effect is Effect.AFTER_REBOOT for verdict in verdicts):
        again = say("outcome-reboot", "Reboot, then run vfio-doctor again.")
        lines.append(str(again))
    return lines


def _ending(outcome: Outcome) -> str:
    run = say("outcome-run", "Run {run}.", run=outcome.run) if outcome.run else None
    what, more = ENDINGS[outcome.ending]
    parts = [what if outcome.why is None else _because(outcome), run, more]
    if outcome.ending in (Ending.ROLLED_BACK, Ending.PARTLY_BACK):
        parts = [parts[0], more, run]
    return clean(in_order(*parts))


def _because(outcome: Outcome) -> Message:
    """Return how it ended, with the reason that every such outcome has."""
    return BECAUSE[outcome.ending].filled(why=outcome.why or verbatim(""))


def _result(result: StepResult) -> list[str]:
    step = result.step
    if isinstance(step, CommandStep) and not step.argv:
        if result.state is not StepState.KEPT:
            return []
    elif result.state is StepState.WAITING:
        return []
    why = f" ({clean(result.why)})" if result.why else ""
    lines = [f"  {STATES[result.state]}: {headline(step)}{why}"]
    if any(result.both):
        lines += [f"    {line}" for line in _both(*result.both)]
    return lines


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


def _text(data: bytes | None) -> str:
    return "" if data is None else data.decode("utf-8", "replace")
