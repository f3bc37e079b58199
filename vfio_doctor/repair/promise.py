"""Promise a repair only where a plan can be made for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.boot.selection import chosen
from vfio_doctor.model import Applicability
from vfio_doctor.repair.plan import make_plan

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.model import CheckResult, Diagnosis, Message
    from vfio_doctor.repair.values import Plan

# The repair of one finding: its fix, the check, and the place as it is shown.
Wish = tuple[str, str, str]


def kept(
    host: Reader, facts: Facts, results: tuple[CheckResult, ...]
) -> tuple[CheckResult, ...]:
    """Return the results, each offer with why it cannot be kept, if it cannot.

    What only root could read is no reason: the repair runs as root.
    """
    if not any(_promises(d) for result in results for d in result.diagnoses):
        return results
    backend = chosen(host, facts)
    broken = _broken(make_plan(host, facts, results, backend, risky=True))
    if not broken:
        return results
    return tuple(_with_told(result, broken) for result in results)


def _with_told(result: CheckResult, broken: dict[Wish, Message]) -> CheckResult:
    if not result.diagnoses:
        return result
    told = tuple(_told(result.id, each, broken) for each in result.diagnoses)
    return result._replace(diagnoses=told)


def _promises(diagnosis: Diagnosis) -> bool:
    fix = diagnosis.fix
    made = fix is not None and not fix.cannot
    return made and fix is not None and fix.applicability is not Applicability.MANUAL


def _broken(plan: Plan) -> dict[Wish, Message]:
    return {
        (fix, found.check, found.subject): refused.why
        for refused in plan.refused
        for fix in refused.fixes
        for found in refused.findings
        if not refused.unseen
    }


def _told(check: str, diagnosis: Diagnosis, broken: dict[Wish, Message]) -> Diagnosis:
    fix = diagnosis.fix
    if fix is None or fix.cannot or not _promises(diagnosis):
        return diagnosis
    why = broken.get((fix.id, check, diagnosis.finding.subject))
    if why is None:
        return diagnosis
    return diagnosis._replace(fix=fix._replace(cannot=why, changes=()))
