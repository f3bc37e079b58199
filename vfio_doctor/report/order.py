"""In which order a report tells what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.diagnosis.report import worst
from vfio_doctor.model import Status

if TYPE_CHECKING:
    from vfio_doctor.model import CheckResult, Report

# That there is one graphics card only decides whether anybody wants to go on.
FIRST = frozenset(
    (
        "vfio-only-card",
        "vfio-only-card-while-running",
        "vfio-all-cards",
        "vfio-unnamed-one-card",
    )
)


def failed(report: Report) -> list[CheckResult]:
    """Return the failed checks: root causes first, what explains nothing last.

    If the host would lose its only screen, that comes before all.
    """
    roots = {check_id: at for at, check_id in enumerate(report.summary.root_causes)}
    failed = [r for r in report.checks if r.status is Status.FAIL]
    last = len(roots)

    def place(result: CheckResult) -> tuple[bool, int, int, bool, str]:
        root = roots.get(result.id, last)
        later = not any(d.finding.message.id in FIRST for d in result.diagnoses)
        return later, root, -worst(result), not result.explains, result.id

    return sorted(failed, key=place)
