"""How one check's end decides whether another one is judged."""

from __future__ import annotations

from support import hosts
from support.findings import finding
from support.rows import for_each
from vfio_doctor.api import Check, Facts, Finding, Iterator, MissingFact, Severity
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import Registry
from vfio_doctor.messages import verbatim
from vfio_doctor.model import Status


def ends(*severities: Severity, missing: bool = False) -> tuple[Status, ...]:
    """Return how a check with such findings, and one that requires it, end."""

    class First(Check):
        id = "area-first"
        severity = Severity.ERROR
        title = "First"

        def judge(self, facts: Facts) -> Iterator[Finding]:
            for number, severity in enumerate(severities):
                yield finding(f"{number}")._replace(severity=severity)
            if missing:
                raise MissingFact(verbatim("a part is not known"))

    class Second(Check):
        id = "area-second"
        severity = Severity.ERROR
        title = "Second"
        requires = ("area-first",)

        def judge(self, facts: Facts) -> Iterator[Finding]:
            return iter(())

    results = diagnose(Facts(hosts.build({})), Registry((First, Second), ()))
    return tuple(result.status for result in results)


@for_each(
    ("severities", "second"),
    [
        ((), Status.PASS),
        ((Severity.INFO,), Status.PASS),
        ((Severity.INFO, Severity.INFO), Status.PASS),
        ((Severity.INFO, Severity.WARNING), Status.BLOCKED),
        ((Severity.ERROR,), Status.BLOCKED),
    ],
)
def test_only_information_does_not_block(
    severities: tuple[Severity, ...], second: Status
) -> None:
    assert ends(*severities)[1] is second
    assert ends(*severities, missing=True)[1] is second
