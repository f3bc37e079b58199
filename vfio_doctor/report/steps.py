"""What to do next, in order: the last part of every report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.diagnosis.offer import is_only_configured, waits_for_reboot
from vfio_doctor.messages import say
from vfio_doctor.model import Actor, Applicability, Severity, Status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.model import Diagnosis, Message, Report, Told, Waiting

REBOOT = "reboot-pending"
# What the live reader calls itself.
THIS_HOST = "this host"
HERE = say("source-this-host", "this host")
NEXT_FIX = {
    Applicability.SAFE: say(
        "closing-next-fix",
        "Next: `sudo vfio-doctor --fix` shows what it would do, and asks before it "
        "changes anything.",
    ),
    Applicability.RISKY: say(
        "closing-next-fix-risky",
        "Next: `sudo vfio-doctor --fix --risky` shows what it would do and what may be "
        "lost, and asks before it changes anything.",
    ),
}
NEXT_THERE = {
    Applicability.SAFE: say(
        "closing-next-fix-there",
        "Next, on the captured host: `sudo vfio-doctor --fix` shows what it would do, "
        "and asks before it changes anything.",
    ),
    Applicability.RISKY: say(
        "closing-next-fix-risky-there",
        "Next, on the captured host: `sudo vfio-doctor --fix --risky` shows what it "
        "would do and what may be lost, and asks before it changes anything.",
    ),
}
# The advice of `reboot-pending` that names the command of this host.
MENU_ADVICE = "pending-regenerate-menu-by"
# Its advice if no file tells what the next boot gets.
UNTOLD = ("pending-untold", "pending-untold-menu", "pending-untold-proxmox")
# This note says more than what is beside it: what would hang, and how to avoid it.
UNNAMED = "vfio-unnamed-nvidia"
SET_UP = say(
    "next-set-up",
    "`sudo vfio-doctor setup passthrough` asks which card a VM is to get, and shows a"
    " plan first: vfio-nothing-named says why.",
)
SET_UP_THERE = say(
    "next-set-up-there",
    "On the captured host, `sudo vfio-doctor setup passthrough` asks which card a VM is"
    " to get, and shows a plan first: vfio-nothing-named says why.",
)
SET_UPS = (SET_UP.id, SET_UP_THERE.id)
REBOOT_FOR = say("cure-reboot", "Reboot: {why}.")
CONFIGURED = say(
    "cure-configured",
    "Follow the advice under reboot-pending: what this needs is configured already, and"
    " nothing shows that the next boot gets it.",
)
MENU = say("next-menu", "Run {command}: without it the next boot changes nothing.")
BOOT_TOOL = say(
    "next-boot-tool",
    "Follow the advice under reboot-pending: the next boot may change nothing without"
    " it.",
)
LAST = say("closing-next", "Next: {step}")
AGAIN = say("next-again", "Run `vfio-doctor` again.")
AGAIN_THERE = say("next-again-there", "Then make a new capture there.")
ROOT_THERE = say(
    "next-root-there",
    "On the captured host, run `sudo vfio-doctor bug-report`: it sees what could not "
    "be decided here.",
)
# Root in a container is not the host's.
OUTSIDE = say(
    "next-outside",
    "Run `vfio-doctor` on the host, outside of this container, to decide what could not"
    " be decided.",
)
EXPLAIN = say(
    "next-explain",
    "Read more: `vfio-doctor explain {check}`. For the evidence: `vfio-doctor -v`.",
)
BY_HAND = say("next-by-hand", "By hand, follow the advice under {checks}.")
FIRMWARE = say(
    "next-firmware", "In the firmware setup, follow the advice under {checks}."
)
ACTORS = (
    ((Actor.FIRMWARE,), FIRMWARE),
    ((Actor.USER, Actor.TOOL), BY_HAND),
    (
        (Actor.VENDOR,),
        say(
            "next-vendor",
            "Ask the maker or the image's maintainers, as advised under {checks}.",
        ),
    ),
)
# One problem, and more of them.
REPAIRS = (
    (
        Applicability.SAFE,
        say(
            "next-fix-one",
            "`vfio-doctor --fix --dry-run` shows what would be done; "
            "`sudo vfio-doctor --fix` repairs 1 problem.",
        ),
        say(
            "next-fix",
            "`vfio-doctor --fix --dry-run` shows what would be done; "
            "`sudo vfio-doctor --fix` repairs {count} problems.",
        ),
    ),
    (
        Applicability.RISKY,
        say(
            "next-fix-risky-one",
            "`vfio-doctor --fix --risky --dry-run` shows what would be done; "
            "`sudo vfio-doctor --fix --risky` repairs 1 more problem.",
        ),
        say(
            "next-fix-risky",
            "`vfio-doctor --fix --risky --dry-run` shows what would be done; "
            "`sudo vfio-doctor --fix --risky` repairs {count} more problems.",
        ),
    ),
)
# The repair mends what waits, too, if nothing else keeps it from that.
WITH_WAITING = (
    say(
        "next-fix-waiting",
        "`vfio-doctor --fix --dry-run` shows what would be done; "
        "`sudo vfio-doctor --fix` repairs {count} problems, {waiting} of which come to "
        "light only once the others are repaired.",
    ),
    say(
        "next-fix-risky-waiting",
        "`vfio-doctor --fix --risky --dry-run` shows what would be done; "
        "`sudo vfio-doctor --fix --risky` repairs {count} more problems, {waiting} of "
        "which come to light only once the others are repaired.",
    ),
    say(
        "next-fix-risky-alone-waiting",
        "`vfio-doctor --fix --risky --dry-run` shows what would be done; "
        "`sudo vfio-doctor --fix --risky` repairs {count} problems, {waiting} of which "
        "come to light only once the others are repaired.",
    ),
)
# If nothing is repaired without --risky, there is nothing that it adds to.
RISKY_ALONE = (
    say(
        "next-fix-risky-alone-one",
        "`vfio-doctor --fix --risky --dry-run` shows what would be done; "
        "`sudo vfio-doctor --fix --risky` repairs 1 problem.",
    ),
    say(
        "next-fix-risky-alone",
        "`vfio-doctor --fix --risky --dry-run` shows what would be done; "
        "`sudo vfio-doctor --fix --risky` repairs {count} problems.",
    ),
)


def what_waits(diagnosis: Diagnosis) -> Message:
    """Return what is left to do about a finding for which all is set already."""
    if is_only_configured(diagnosis):
        return CONFIGURED
    fix = diagnosis.fix
    return REBOOT_FOR.filled(why=(fix and fix.cannot) or "")


def source(report: Report) -> Told:
    """Return what was read, as it is said."""
    return HERE if report.run.source == THIS_HOST else report.run.source


def is_reboot_pending(report: Report) -> bool:
    """Tell whether something that was set before waits for a reboot."""
    return any(r.id == REBOOT and r.diagnoses for r in report.checks)


def next_command(report: Report) -> Message | None:
    """Return the one thing to do now; None if there is nothing to do."""
    found = _to_do(report)
    there = report.run.source != THIS_HOST
    worst = max((d.severity for d in found), default=Severity.INFO)
    kind = _of_worst(found)
    steps = [s for s in next_steps(report) if s.id not in (EXPLAIN.id, AGAIN.id)]
    # What the firmware withholds comes first.
    firmware = bool(steps) and steps[0].id == FIRMWARE.id
    # Repairs are said before what is by hand, which may be all that matters.
    others = [s for s in steps if not s.id.startswith("next-fix")]
    if kind is None and not (others and worst > Severity.INFO):
        kind = _first_repair(found)
    if worst is Severity.INFO and steps and steps[0].id in SET_UPS:
        return LAST.filled(step=steps[0])
    if kind is not None and not firmware:
        return (NEXT_THERE if there else NEXT_FIX)[kind]
    return LAST.filled(step=others[0]) if others else None


def _of_worst(found: list[Diagnosis]) -> Applicability | None:
    """Return which repair there is for the worst of these."""
    worst = max((d.severity for d in found), default=Severity.INFO)
    return _first_repair([d for d in found if d.severity is worst])


def _first_repair(found: list[Diagnosis]) -> Applicability | None:
    """Return which repair to name first; None if none of these is repaired here."""
    kinds = (Applicability.SAFE, Applicability.RISKY)
    return next((kind for kind in kinds if any(_made(d, kind) for d in found)), None)


def next_steps(report: Report) -> list[Message]:
    """Return numbered steps without their numbers; each once.

    First the firmware, which what follows may rest on; then what the tool repairs,
    then the person, then whoever else; then a reboot, then looking again.
    """
    found = _to_do(report)
    first, rest = _by_hand(report, ACTORS[:1]), _by_hand(report, ACTORS[1:])
    set_up = _set_up(report)
    mended = _repairs(found, report.waiting)
    steps = list(dict.fromkeys([*first, *set_up, *mended, *rest, *_menu(report)]))
    if _needs_reboot(report, found):
        reboot = say("next-reboot", "Reboot, so that the changes take effect.")
        steps.append(reboot)
    there = report.run.source != THIS_HOST
    if steps:
        steps.append(AGAIN_THERE if there else AGAIN)
    if not there and _is_in_container(report) and _has_unknown(report):
        steps.append(OUTSIDE)
    elif report.host.uid != 0 and _has_unknown(report):
        root = say(
            "next-root", "Run `sudo vfio-doctor` to decide what could not be decided."
        )
        steps.append(ROOT_THERE if there else root)
    if report.summary.root_causes:
        steps.append(EXPLAIN.filled(check=report.summary.root_causes[0]))
    return steps


def _set_up(report: Report) -> Iterator[Message]:
    """Yield how a card is named, if it is noted that nothing names one."""
    every = [d for r in report.checks for d in r.diagnoses]
    if any(d.severity > Severity.INFO for d in every):
        return
    if any(d.finding.message.id == UNNAMED for d in every):
        yield SET_UP if report.run.source == THIS_HOST else SET_UP_THERE


def _to_do(report: Report) -> list[Diagnosis]:
    """Return the findings that ask for more than the reboot that is pending."""
    found = [d for r in report.checks if r.id != REBOOT for d in r.diagnoses]
    if not is_reboot_pending(report):
        return found
    return [d for d in found if d.severity > Severity.INFO]


def _made(diagnosis: Diagnosis, applicability: Applicability) -> bool:
    fix = diagnosis.fix
    return fix is not None and not fix.cannot and fix.applicability is applicability


def _repairs(found: list[Diagnosis], waiting: Waiting) -> Iterator[Message]:
    counts = tuple(sum(_made(d, kind) for d in found) for kind, *_ in REPAIRS)
    more_of = tuple(waiting)
    if _of_worst(found) is Applicability.RISKY:
        # What mends the worst mends the rest with it: one command, said once.
        counts, more_of = (0, sum(counts)), (0, sum(waiting))
    before = 0
    for more, count, (applicability, *said) in zip(
        more_of, counts, REPAIRS, strict=True
    ):
        risky = applicability is Applicability.RISKY
        alone = risky and not before
        one, several = RISKY_ALONE if alone else said
        if count and more:
            text = WITH_WAITING[risky + alone]
            yield text.filled(count=count + more, waiting=more)
        elif count:
            yield one if count == 1 else several.filled(count=count)
        before += count


def _by_hand(
    report: Report, steps: tuple[tuple[tuple[Actor, ...], Message], ...]
) -> Iterator[Message]:
    """Yield a step for who acts, naming the checks whose advice says the rest."""
    for actors, said in steps:
        ids = tuple(
            result.id
            for result in report.checks
            if any(_asks(diagnosis, actors) for diagnosis in result.diagnoses)
        )
        if ids:
            yield said.filled(checks=ids)


def _menu(report: Report) -> Iterator[Message]:
    """Yield the command that makes the menu anew, which a reboot does not replace."""
    for diagnosis in (d for r in report.checks for d in r.diagnoses):
        advice = diagnosis.finding.advice
        if advice and advice.id == MENU_ADVICE:
            yield MENU.filled(**dict(advice.params))
        elif advice and advice.id in UNTOLD:
            yield BOOT_TOOL


def _asks(diagnosis: Diagnosis, actors: tuple[Actor, ...]) -> bool:
    tool = (Applicability.SAFE, Applicability.RISKY)
    return (
        diagnosis.finding.who_acts in actors
        and diagnosis.finding.advice is not None
        and diagnosis.severity is not Severity.INFO
        and diagnosis.finding.advice.id != MENU_ADVICE
        and not waits_for_reboot(diagnosis)
        and not any(_made(diagnosis, applicability) for applicability in tool)
    )


def _needs_reboot(report: Report, found: list[Diagnosis]) -> bool:
    return is_reboot_pending(report) or any(
        waits_for_reboot(d) or (d.fix and d.fix.reboot and not d.fix.cannot)
        for d in found
    )


def _is_in_container(report: Report) -> bool:
    kind = report.host.container
    return isinstance(kind, str) and bool(kind)


def _has_unknown(report: Report) -> bool:
    return any(r.status is Status.UNKNOWN for r in report.checks)
