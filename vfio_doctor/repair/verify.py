"""Look again: whether the repair helped, whether its changes took effect."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.boot.words import added, lacking, removed, staying
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.offer import waits_for_reboot
from vfio_doctor.host.reader import Missing, Why, read_text
from vfio_doctor.messages import say
from vfio_doctor.model import FileStep, ParameterStep, Severity, Status
from vfio_doctor.parse.cmdline import words
from vfio_doctor.repair.bound import bound
from vfio_doctor.repair.journal_lines import RunState
from vfio_doctor.repair.lasting import Lasting, same_value
from vfio_doctor.repair.reordered import is_as
from vfio_doctor.repair.target import boot_id
from vfio_doctor.repair.values import Effect, Served, StepState, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.diagnosis.registry import Registry
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.model import CheckResult, Diagnosis
    from vfio_doctor.repair.journal_lines import Entry, Run, RunFix
    from vfio_doctor.repair.values import Outcome, PlannedFix

CMDLINE = "/proc/cmdline"
NO_CHECK = say("verify-no-check", "the check is not there any more")
WAITS = say("verify-blocked", "waits for {checks}")
FILE_CHANGED = say("lasting-file-changed", "it was changed since")
READS = say("lasting-parameter-reads", "it reads '{value}'")
WORD_LACKS = say("lasting-word-lacks", "this boot did not get it")
WORD_STAYS = say("lasting-word-stays", "this boot still has it")
WITHOUT = say("lasting-without", "without {word}")


# How a check ends if what was repaired is not there any more.
GONE = (Status.BLOCKED, Status.NOT_APPLICABLE)


def verify(
    facts: Facts,
    registry: Registry,
    fixes: tuple[PlannedFix, ...] | tuple[RunFix, ...],
    outcome: Outcome,
) -> tuple[Verdict, ...]:
    """Judge the findings of the fixes again, with facts read after the repair.

    A finding is AFTER_REBOOT if its fix takes effect at the next boot: what is
    configured may be right at once, as an image, but what runs is not. So is one that
    is still there since a step that would have brought it forward could not be made.
    """
    late = any(step.state is StepState.LATE for step in outcome.steps)
    waits = {f: fix.reboot or late for fix in fixes for f in fix.findings}
    at_boot = {f for fix in fixes if fix.reboot for f in fix.findings}
    return tuple(
        _from_boot_on(verdict) if verdict.finding in at_boot else verdict
        for verdict, _ in _again(facts, registry, waits)
    )


def _from_boot_on(verdict: Verdict) -> Verdict:
    gone = verdict.effect is Effect.RESOLVED
    return verdict._replace(effect=Effect.AFTER_REBOOT) if gone else verdict


def _again(
    facts: Facts, registry: Registry, waits: dict[Served, bool]
) -> Iterator[tuple[Verdict, CheckResult | None]]:
    """Yield a verdict a finding, sorted, and how its check ends now."""
    results = _judged_again(facts, registry, sorted({f.check for f in waits}))
    ready = {f.check for f in waits} | _due(facts, registry, results)
    for finding in sorted(waits, key=lambda f: (f.check, f.subject)):
        result = results.get(finding.check)
        verdict = _verdict(finding, result, waits[finding])
        if result is not None and _comes_along(result, ready, waits[finding]):
            verdict = Verdict(finding, Effect.AFTER_REBOOT)
        yield verdict, result


def _comes_along(result: CheckResult, ready: set[str], reboot: bool) -> bool:
    """Tell whether a check waits for nothing but what is right from the reboot on."""
    blocked = result.status is Status.BLOCKED
    return reboot and blocked and ready.issuperset(result.blocked_by)


def _due(facts: Facts, registry: Registry, results: dict[str, CheckResult]) -> set[str]:
    """Return the checks in the way of these for which all was set before."""
    names = {name for result in results.values() for name in result.blocked_by}
    found = _judged_again(facts, registry, sorted(names))
    return {
        name
        for name, result in found.items()
        if result.diagnoses and all(map(waits_for_reboot, result.diagnoses))
    }


def _judged_again(
    facts: Facts, registry: Registry, wanted: list[str]
) -> dict[str, CheckResult]:
    # A journal may name a rule that this version has no more.
    known = [check for check in wanted if registry.check(check)]
    return {r.id: r for r in diagnose(facts, registry, known)} if known else {}


def _verdict(finding: Served, result: CheckResult | None, reboot: bool) -> Verdict:
    if result is None:
        return Verdict(finding, Effect.UNKNOWN, NO_CHECK)
    here = [d for d in result.diagnoses if finding.is_at(d.finding.place)]
    if here and all(_is_note(each, result) for each in here):
        return Verdict(finding, Effect.RESOLVED, here[0].finding.message)
    if here:
        return Verdict(finding, Effect.AFTER_REBOOT if reboot else Effect.FAILING)
    if result.status in (Status.UNKNOWN, Status.ERROR):
        return Verdict(finding, Effect.UNKNOWN, result.reason)
    if result.status is Status.BLOCKED:
        why = WAITS.filled(checks=result.blocked_by)
        return Verdict(finding, Effect.UNKNOWN, why)
    if result.status is Status.FAIL and result.reason:
        return Verdict(finding, Effect.UNKNOWN, result.reason)
    return Verdict(finding, Effect.RESOLVED)


def _is_note(diagnosis: Diagnosis, result: CheckResult) -> bool:
    """Tell whether only a word remains to be said, about which no repair can be made.

    As of a device that is open to its person from now on, at the screen.
    """
    offer = diagnosis.fix
    lesser = diagnosis.severity is Severity.INFO and result.severity > Severity.INFO
    return lesser and (offer is None or offer.cannot is not None)


def still_so(
    host: Reader, facts: Facts, registry: Registry, runs: tuple[Run, ...]
) -> tuple[Verdict, ...]:
    """Judge again what the runs have repaired; one verdict a finding, sorted.

    A finding whose check waits for another that fails now is FAILING too: what it
    stands on is gone, as a module that an update did not bring. So is one whose check
    does not apply any more: what a repair has written asks for it, unless that is gone.
    """
    now = boot_id(host)
    waits = {
        finding: fix.reboot and run.beginning.boot == now
        for run in runs
        for fix in run.beginning.fixes
        for finding in fix.findings
    }
    return tuple(
        _still(verdict, result, waits[verdict.finding])
        for verdict, result in _again(facts, registry, waits)
    )


def _still(verdict: Verdict, result: CheckResult | None, waits: bool) -> Verdict:
    """Before its reboot a repair waits, though its finding may be gone already.

    As that nothing binds a card: something does now, and the card is not bound yet.
    """
    if waits and result is not None:
        return verdict._replace(effect=Effect.AFTER_REBOOT, why=None)
    if result is not None and result.status in GONE:
        return verdict._replace(effect=Effect.FAILING, why=result.reason)
    return verdict


def after_reboot(host: Reader, runs: tuple[Run, ...]) -> tuple[Lasting, ...]:
    """Say of each change of the last run whether it is in effect since the reboot.

    Empty where there is no finished run, or none before this boot.
    """
    done = [run for run in runs if run.state is RunState.DONE]
    if not done or boot_id(host) in ("", done[-1].beginning.boot):
        return ()
    run = done[-1]
    lasting = [
        told
        for entry in run.entries
        if entry.state in (StepState.DONE, StepState.LATE)
        and (told := _lasting(entry, run, host)) is not None
    ]
    cards = bound(host) if run.binds else ()
    return (*_words(run, host), *lasting, *cards)


def after_undo(host: Reader, runs: tuple[Run, ...]) -> tuple[Lasting, ...]:
    """Say which kernel arguments came back, though the newest run was undone.

    An update that was staged before the undo boots with what it was made with.
    Empty before the reboot.
    """
    if not runs or runs[-1].state is not RunState.UNDONE:
        return ()
    run = runs[-1]
    if not run.ended or boot_id(host) in ("", run.ended):
        return ()
    begun = run.beginning
    back = begun._replace(before=begun.after, after=begun.before)
    found = _words(run._replace(beginning=back), host)
    return tuple(one for one in found if one.in_effect is False)


def _lasting(entry: Entry, run: Run, host: Reader) -> Lasting | None:
    step = entry.step.step
    if isinstance(step, FileStep):
        now = host.read_bytes(step.path)
        if isinstance(now, Missing) and now.why is not Why.ABSENT:
            return Lasting(step.path, None, now.message)
        same = is_as(step.after, None if isinstance(now, Missing) else now, entry.step)
        if not same and entry.step.arguments and _are_set(run, host):
            # The entry of a kernel that was removed since is told by its words.
            return None if isinstance(now, Missing) else Lasting(step.path, True)
        return Lasting(step.path, same, None if same else FILE_CHANGED)
    if isinstance(step, ParameterStep):
        text = read_text(host, step.path)
        if isinstance(text, Missing):
            return Lasting(step.path, None, text.message)
        same = same_value(text, step.after)
        reads = READS.filled(value=text.strip())
        return Lasting(step.path, same, None if same else reads)
    return None


def _are_set(run: Run, host: Reader) -> bool:
    """Tell whether a run's arguments are set for the next boot, whoever wrote that.

    An update of the kernel writes the loader's entries anew.
    """
    from vfio_doctor.boot.backend import BootBackend
    from vfio_doctor.boot.selection import chosen
    from vfio_doctor.facts.base import Facts

    tool = chosen(host, Facts(host))
    now = tool.read(host) if isinstance(tool, BootBackend) else None
    if now is None or isinstance(now, Missing):
        return False
    edit = run.beginning.edit
    return not lacking(edit, now) and not staying(edit, now)


def _words(run: Run, host: Reader) -> list[Lasting]:
    edit, text = run.beginning.edit, read_text(host, CMDLINE)
    more, less = dict.fromkeys(added(edit)), dict.fromkeys(removed(edit))
    if isinstance(text, Missing):
        return [Lasting(word, None, text.message) for word in more]
    now = words(text)
    lacks, stays = lacking(edit, now), staying(edit, now)
    there = [
        Lasting(word, word not in lacks, WORD_LACKS if word in lacks else None)
        for word in more
    ]
    gone = [
        Lasting(
            WITHOUT.filled(word=word),
            word not in stays,
            WORD_STAYS if word in stays else None,
        )
        for word in less
    ]
    return there + gone
