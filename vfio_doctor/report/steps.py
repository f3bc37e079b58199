"""What to do next, in order: the last part of every report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.model import Actor, Applicability, Severity, Status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.model import Diagnosis, Report

REBOOT = "reboot-pending"
PLACES = (
    (Actor.FIRMWARE, "In the firmware setup, do what is said at"),
    (Actor.USER, "By hand, do what is said at"),
    (Actor.TOOL, "By hand, do what is said at"),
    (Actor.VENDOR, "Ask the maker or the image's maintainers, as said at"),
)


def next_steps(report: Report) -> list[str]:
    """Return numbered steps without their numbers; each once.

    First what the tool repairs, then the firmware, then the person, then
    whoever else; then a reboot, then looking again.
    """
    found = [d for r in report.checks if r.id != REBOOT for d in r.diagnoses]
    steps = list(dict.fromkeys([*_repairs(found), *_by_hand(report)]))
    if _needs_reboot(report, found):
        steps.append("Reboot, so that what was changed takes effect.")
    if steps:
        steps.append("Run `vfio-doctor` again.")
    if report.host.uid != 0 and _has_unknown(report):
        steps.append("Run `sudo vfio-doctor` to decide what could not be told.")
    if report.summary.root_causes:
        first = report.summary.root_causes[0]
        steps.append(f"Read more: `vfio-doctor explain {first}`, or evidence: `-v`.")
    return steps


def _made(diagnosis: Diagnosis, applicability: Applicability) -> bool:
    fix = diagnosis.fix
    return fix is not None and not fix.cannot and fix.applicability is applicability


def _repairs(found: list[Diagnosis]) -> Iterator[str]:
    for applicability, flag in (
        (Applicability.SAFE, ""),
        (Applicability.RISKY, " --risky"),
    ):
        made = [d for d in found if _made(d, applicability)]
        if made:
            what = "problem" if len(made) == 1 else "problems"
            yield (
                f"Run `vfio-doctor --fix{flag} --dry-run` to see, then "
                f"`sudo vfio-doctor --fix{flag}` to repair {len(made)} {what}."
            )


def _by_hand(report: Report) -> Iterator[str]:
    """Yield one step an actor, naming the checks whose advice says the rest."""
    for actor, place in PLACES:
        ids = [
            result.id
            for result in report.checks
            if result.id != REBOOT
            and any(_asks(diagnosis, actor) for diagnosis in result.diagnoses)
        ]
        if ids:
            yield f"{place} {', '.join(ids)} above."


def _asks(diagnosis: Diagnosis, actor: Actor) -> bool:
    tool = (Applicability.SAFE, Applicability.RISKY)
    return (
        diagnosis.finding.who_acts is actor
        and bool(diagnosis.finding.advice)
        and diagnosis.severity is not Severity.INFO
        and not any(_made(diagnosis, applicability) for applicability in tool)
    )


def _needs_reboot(report: Report, found: list[Diagnosis]) -> bool:
    pending = any(r.id == REBOOT and r.diagnoses for r in report.checks)
    return pending or any(
        d.fix is not None and d.fix.reboot and not d.fix.cannot for d in found
    )


def _has_unknown(report: Report) -> bool:
    return any(r.status is Status.UNKNOWN for r in report.checks)
