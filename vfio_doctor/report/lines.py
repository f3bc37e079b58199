"""One line a check, as virt-host-validate prints them: for a person and for grep."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.messages import say
from vfio_doctor.model import Severity, Status
from vfio_doctor.report.untrusted import ascii_only, clean

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.model import CheckResult, Message, Report
    from vfio_doctor.report.style import Look

FAILED = {
    Severity.ERROR: ("FAIL", "red"),
    Severity.WARNING: ("WARN", "yellow"),
    Severity.INFO: ("NOTE", "cyan"),
}
ENDED = {
    Status.PASS: ("PASS", "green"),
    Status.NOT_APPLICABLE: ("SKIP", ""),
    Status.BLOCKED: ("WAIT", ""),
    Status.UNKNOWN: ("UNKNOWN", "yellow"),
    Status.ERROR: ("BROKEN", "red"),
}
WIDEST = 7
WAITS = say("lines-waits", "waits for {checks}")


def render(report: Report, look: Look) -> str:
    """Return a line for each check and finding, in the order of their ids."""
    text = "".join(f"{line}\n" for line in _lines(report, look))
    return text if look.utf8 else ascii_only(text)


def _lines(report: Report, look: Look) -> Iterator[str]:
    for result in report.checks:
        for word, colour, said in _ends(result):
            padded = f"{word:<{WIDEST}}"
            if look.colour and colour:
                from click import style

                padded = style(padded, fg=colour)
            said_after = f": {clean(said)}" if said else ""
            yield f"{padded} {result.id}{said_after}"


def _ends(result: CheckResult) -> Iterator[tuple[str, str, str | Message]]:
    if result.status is Status.FAIL:
        for diagnosis in result.diagnoses:
            yield (*FAILED[diagnosis.severity], diagnosis.finding.message)
        return
    why: str | Message = result.reason or ""
    if result.status is Status.BLOCKED:
        why = WAITS.filled(checks=result.blocked_by)
    yield (*ENDED[result.status], why)
