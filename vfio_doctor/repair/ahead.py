"""A plan for every broken link that can be seen, not for the first one alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.boot.selection import chosen
from vfio_doctor.diagnosis.judge import judge
from vfio_doctor.model import Applicability, Severity, Status, Waiting
from vfio_doctor.repair.plan import make_plan

if TYPE_CHECKING:
    from vfio_doctor.boot.backend import BootBackend
    from vfio_doctor.diagnosis.registry import Registry
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.model import CheckResult, Message
    from vfio_doctor.repair.values import Plan, PlannedFix


def plan_ahead(
    host: Reader,
    facts: Facts,
    registry: Registry,
    results: tuple[CheckResult, ...],
    backend: BootBackend | Message,
    risky: bool = False,
    more: tuple[PlannedFix, ...] = (),
) -> Plan:
    """Return the plan for the findings, and for what waits behind those it cures.

    ``more`` are repairs that answer no finding.

    A check that waits is judged here if its findings stand whatever it waits for.
    """
    while True:
        plan = make_plan(host, facts, results, backend, risky, more)
        waiting = _with_waiting(facts, registry, results, plan)
        if waiting == results:
            return plan
        results = waiting


def waiting(
    host: Reader,
    facts: Facts,
    registry: Registry,
    results: tuple[CheckResult, ...],
) -> Waiting:
    """Return how many problems a repair mends of those that wait for others."""
    ids = {r.id for r in results if r.status is Status.BLOCKED}
    if not any(check.id in ids for check in registry.checks if check.stands_alone):
        return Waiting()
    seen = (host, facts, registry, results, chosen(host, facts))
    plan = plan_ahead(*seen)
    safe = _of_waiting(plan, ids)
    if not any(fix.applicability is Applicability.RISKY for fix in plan.left):
        # Then the other plan is the same.
        return Waiting(safe)
    return Waiting(safe, _of_waiting(plan_ahead(*seen, risky=True), ids) - safe)


def _of_waiting(plan: Plan, ids: set[str]) -> int:
    return sum(f.check in ids for fix in plan.fixes for f in fix.findings)


def _with_waiting(
    facts: Facts, registry: Registry, results: tuple[CheckResult, ...], plan: Plan
) -> tuple[CheckResult, ...]:
    cured = {(f.check, f.subject) for fix in plan.fixes for f in fix.findings}
    healed = {r.id for r in results if r.diagnoses and _is_cured(r, cured)}
    return tuple(_judged(facts, registry, result, healed) for result in results)


def _is_cured(result: CheckResult, cured: set[tuple[str, str]]) -> bool:
    """Tell whether the plan cures all that a check found but what is information."""
    return result.reason is None and all(
        (result.id, diagnosis.finding.subject) in cured
        for diagnosis in result.diagnoses
        if diagnosis.severity is not Severity.INFO
    )


def _judged(
    facts: Facts, registry: Registry, result: CheckResult, healed: set[str]
) -> CheckResult:
    check = registry.check(result.id)
    waits = result.status is Status.BLOCKED and healed.issuperset(result.blocked_by)
    if check is None or not check.stands_alone or not waits:
        return result
    made = judge(check, facts, registry)
    return made if made.status is Status.FAIL else result
