"""Tables that a report holds in more than one form: the host, and all checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.messages import say
from vfio_doctor.model import Status
from vfio_doctor.report.steps import source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.model import Message, Report, Told

HOST = say("fold-host", "The host")
CHECKS = say("fold-checks", "All checks")
CHECK_HEADS = (
    say("table-check", "Check"),
    say("table-result", "Result"),
    say("table-why", "Why"),
)
WAITS = say("row-waits", "waits for {checks}")


def host_rows(report: Report) -> Iterator[tuple[Message, Told]]:
    """Yield what is known of the host: a name, and what was read."""
    host, boot = report.host, report.boot
    rows = (
        (say("row-read", "read"), source(report)),
        (say("row-system", "system"), host.os),
        (say("row-image", "image"), host.image),
        (say("row-kernel", "kernel"), host.kernel),
        (say("row-machine", "machine"), host.machine),
        (say("row-cpu", "CPU"), host.cpu),
        (say("row-container", "container"), host.container),
        (say("row-user", "VM user"), host.user),
        (say("row-boot", "boot"), boot.stack),
        (say("row-arguments-now", "arguments now"), boot.now),
        (say("row-arguments", "arguments at the next boot"), boot.next),
    )
    return ((name, value) for name, value in rows if value)


def check_rows(report: Report) -> Iterator[tuple[str, str, str | Message]]:
    """Yield of each check its id, how it ended, and why."""
    for result in report.checks:
        why: str | Message = result.reason or ""
        if result.status is Status.BLOCKED:
            why = WAITS.filled(checks=", ".join(result.blocked_by))
        yield result.id, result.status.value, why
