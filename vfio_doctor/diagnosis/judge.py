"""Judge the facts of one host with every check: one guarded call site."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.diagnosis.areas import unasked
from vfio_doctor.diagnosis.offer import offer
from vfio_doctor.facts.base import Facts, MissingFact, NotApplicable
from vfio_doctor.language import in_english
from vfio_doctor.messages import say, verbatim
from vfio_doctor.model import (
    CheckResult,
    Diagnosis,
    Finding,
    Message,
    Severity,
    Status,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vfio_doctor.api import Check
    from vfio_doctor.diagnosis.registry import Registry

# A person reads the first few; each has its own repair, which costs time to make.
FINDINGS_AT_MOST = 100
# What a set-up repairs along with the arguments that switch the IOMMU on.
NOT_BOUND = "vfio-not-bound"
MANY = say(
    "findings-many",
    "this check was ended after {count} findings; there may be more",
    count=FINDINGS_AT_MOST,
)


def diagnose(
    facts: Facts,
    registry: Registry,
    select: Iterable[str] = (),
    skip: Iterable[str] = (),
) -> tuple[CheckResult, ...]:
    """Return how every wanted check ended, sorted by id.

    ``select`` and ``skip`` hold check ids or areas (``kvmfr`` stands for every
    ``kvmfr-*``); an empty ``select`` means all. A check that a wanted one
    requires is judged as well, but not reported.
    """
    wanted = wanted_ids(registry, select, skip)
    results: dict[str, CheckResult] = {}
    for check in registry.checks:
        if check.id in wanted:
            judge_in_order(check, facts, registry, results)
    return tuple(
        results[check_id] for check_id in sorted(results) if check_id in wanted
    )


def wanted_ids(
    registry: Registry, select: Iterable[str], skip: Iterable[str]
) -> frozenset[str]:
    """Return the check ids that ``select`` and ``skip`` leave.

    Raises ValueError naming a word that is neither an id nor an area.
    """
    ids = [check.id for check in registry.checks]
    chosen = [check_id for word in select for check_id in _matches(word, ids)]
    dropped = {check_id for word in skip for check_id in _matches(word, ids)}
    return frozenset(chosen or ids) - dropped


def _matches(word: str, ids: list[str]) -> list[str]:
    area = f"{word}-"
    found = [i for i in ids if i.startswith(area) or i == word]
    if not found:
        raise ValueError(f"{word}: no check and no area has this name")
    return found


def judge_in_order(
    check: type[Check],
    facts: Facts,
    registry: Registry,
    results: dict[str, CheckResult],
) -> CheckResult:
    """Judge a check behind those that it requires; ``results`` takes what is judged."""
    if check.id in results:
        return results[check.id]
    blockers: list[str] = []
    for required_id in check.requires:
        required = registry.check(required_id)
        if required is None:
            continue
        result = judge_in_order(required, facts, registry, results)
        if _is_wrong(result):
            blockers.append(required_id)
        elif result.status is Status.BLOCKED:
            blockers.extend(result.blocked_by)
    results[check.id] = result = (
        _blocked(check, facts, blockers) if blockers else judge(check, facts, registry)
    )
    return result


def _blocked(check: type[Check], facts: Facts, blockers: list[str]) -> CheckResult:
    """Return that a check waits; one that nobody asks for waits for nothing."""
    why = unasked(check.id.partition("-")[0], facts)
    if why is not None:
        return _result(check, Status.NOT_APPLICABLE, why.message)
    return _result(check, Status.BLOCKED, blocked_by=tuple(sorted(set(blockers))))


def ahead(
    facts: Facts, registry: Registry, results: tuple[CheckResult, ...]
) -> tuple[CheckResult, ...]:
    """Return the results; what waits for the IOMMU to be on is judged all the same.

    A set-up plans its repair along with the arguments that switch the IOMMU on.
    """

    def judged(result: CheckResult) -> CheckResult:
        check = registry.check(result.id) if result.id == NOT_BOUND else None
        waits = result.status is Status.BLOCKED and check is not None
        return judge(check, facts, registry) if waits and check else result

    return tuple(judged(result) for result in results)


def _is_wrong(result: CheckResult) -> bool:
    """Tell whether a check found more than what is only information."""
    return result.status is Status.FAIL and any(
        diagnosis.severity is not Severity.INFO for diagnosis in result.diagnoses
    )


def judge(check: type[Check], facts: Facts, registry: Registry) -> CheckResult:
    """Run one check, whatever it does, and return how it ended."""
    findings: list[Finding] = []
    try:
        # One by one, so that a later `MissingFact` loses none.
        for finding in check().judge(facts):
            findings.append(_in_words_of_the_system(finding, facts))
            if len(findings) == FINDINGS_AT_MOST:
                return _result(check, Status.FAIL, MANY, findings, facts, registry)
    except NotApplicable as reason:
        return _result(check, Status.NOT_APPLICABLE, reason.message)
    except MissingFact as reason:
        status = Status.FAIL if findings else Status.UNKNOWN
        result = _result(check, status, reason.message, findings, facts, registry)
        return result._replace(needs_root=reason.denied)
    except Exception as error:
        import traceback

        what = f"{type(error).__name__}: {error}"
        result = _result(check, Status.ERROR, verbatim(what))
        return result._replace(trace=traceback.format_exc())
    status = Status.FAIL if findings else Status.PASS
    return _result(check, status, None, findings, facts, registry)


def _in_words_of_the_system(finding: Finding, facts: Facts) -> Finding:
    """Return a finding whose advice fits a system that makes its files (NixOS)."""
    from vfio_doctor.facts.nixos import Generated

    if finding.advice is None or not facts[Generated].yes:
        return finding
    from vfio_doctor.diagnosis.nixos_words import on_nixos

    return finding._replace(advice=on_nixos(finding.advice))


@in_english
def _result(
    check: type[Check],
    status: Status,
    reason: Message | None = None,
    findings: Iterable[Finding] = (),
    facts: Facts | None = None,
    registry: Registry | None = None,
    blocked_by: tuple[str, ...] = (),
) -> CheckResult:
    diagnoses = tuple(
        Diagnosis(
            finding,
            finding.severity or check.severity,
            offer(check.id, finding, facts, registry) if facts and registry else None,
        )
        for finding in sorted(findings, key=lambda f: (f.subject, str(f.message)))
    )
    made = (check.id, check.title, check.severity, status, reason, blocked_by)
    # Only a finding explains anything: without one a stand-in says the same.
    return CheckResult(*made, diagnoses, explains=check.explains or not diagnoses)
