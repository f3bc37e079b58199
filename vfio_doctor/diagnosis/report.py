"""Build a `Report` from facts and results; what is not known says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor import __version__
from vfio_doctor.facts.accounts import HumanUser
from vfio_doctor.facts.base import MissingFact
from vfio_doctor.facts.board import DMI, Board
from vfio_doctor.facts.boot.arguments import BootArguments
from vfio_doctor.facts.boot.stack import BootKind, BootStack
from vfio_doctor.facts.cpu import Cpu
from vfio_doctor.facts.kernel import KernelCmdline, KernelRelease
from vfio_doctor.facts.system import Container, ImageInfo, OsRelease
from vfio_doctor.host.reader import Missing, Why
from vfio_doctor.messages import say
from vfio_doctor.model import (
    BootInfo,
    HostInfo,
    Message,
    Report,
    RunInfo,
    Severity,
    Status,
    Summary,
    ToolInfo,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.model import CheckResult, Told
    from vfio_doctor.parse.cmdline import CommandLine

NAME = "vfio-doctor"
NO_TOOL = say("boot-tool-unknown", "unknown")
UNKNOWN = say("host-unknown", "unknown: {why}")
NAMELESS = say("host-nameless", "unknown: {path} gives no names")
PERSON = say("host-vm-user", "{name} (uid {uid}, {how})")
MACHINE = say("host-machine", "{machine}, board {board}")


def assemble(
    host: Reader,
    facts: Facts,
    results: tuple[CheckResult, ...],
    run: RunInfo,
    problems: tuple[Told, ...] = (),
    plugins: tuple[str, ...] = (),
) -> Report:
    """Return one diagnosis's report; ``problems``, ``plugins``: the registry's."""
    return Report(
        ToolInfo(NAME, __version__, problems, plugins),
        run,
        host_info(host, facts),
        boot_info(facts),
        summarise(results),
        results,
    )


def host_info(host: Reader, facts: Facts) -> HostInfo:
    """Return the host in words; every part that is not known says why."""
    return HostInfo(
        os=_told(lambda: facts[OsRelease].name),
        image=_image(facts),
        kernel=_told(lambda: facts[KernelRelease].release),
        cpu=_told(lambda: facts[Cpu].model or facts[Cpu].vendor),
        machine=_told(lambda: _machine(facts[Board])),
        container=_told(lambda: facts[Container].kind),
        user=_told(lambda: _person(facts[HumanUser])),
        uid=host.caller().uid,
    )


def boot_info(facts: Facts) -> BootInfo:
    """Return the boot stack, and the arguments now and at the next boot."""
    return BootInfo(
        stack=_told(lambda: _boot_tool(facts[BootStack].kind)),
        now=_told(lambda: _line(facts[KernelCmdline].line)),
        now_source=_told(lambda: facts[KernelCmdline].source),
        next=_told(lambda: _line(facts[BootArguments].next)),
        next_source=_told(lambda: facts[BootArguments].next_source),
    )


def _boot_tool(kind: BootKind) -> Told:
    return NO_TOOL if kind is BootKind.UNKNOWN else kind.value


def summarise(results: tuple[CheckResult, ...]) -> Summary:
    """Return the counts, and the failed checks worth looking at first.

    A failed check is a root cause where it finds more than an ``info`` or where
    it blocks another: what it blocks is not judged, so it is nobody's symptom. One
    that explains no other fault is named only if there is no other.
    """
    found = [d.severity for result in results for d in result.diagnoses]
    blocking = {check_id for result in results for check_id in result.blocked_by}
    roots = [
        result
        for result in results
        if result.status is Status.FAIL
        and (worst(result) > Severity.INFO or result.id in blocking)
    ]
    roots = [result for result in roots if result.explains] or roots
    return Summary(
        tuple((s.value, sum(r.status is s for r in results)) for s in Status),
        tuple((s.word, found.count(s)) for s in sorted(Severity, reverse=True)),
        tuple(r.id for r in sorted(roots, key=lambda r: (-worst(r), r.id))),
    )


def worst(result: CheckResult) -> Severity:
    """Return the worst severity found, or the declared one where nothing was."""
    return max((d.severity for d in result.diagnoses), default=result.severity)


def exit_status(report: Report, fail_on: Severity) -> int:
    """Return 0, 1 or 3 of DESIGN section 6 for a diagnosis without a repair.

    A check that nobody could judge is not "no findings", nor is a plug-in that
    could not be loaded.
    """
    found = [d.severity for result in report.checks for d in result.diagnoses]
    if any(severity >= fail_on for severity in found):
        return 1
    untold = report.tool.problems or any(_untold(r, fail_on) for r in report.checks)
    return 3 if untold else 0


def _untold(result: CheckResult, fail_on: Severity) -> bool:
    if result.status is Status.BLOCKED:
        return result.severity >= fail_on
    if result.status is Status.FAIL:
        return bool(result.reason)
    return result.status in (Status.UNKNOWN, Status.ERROR)


def _told(ask: Callable[[], Told]) -> Told:
    try:
        return ask()
    except MissingFact as missing:
        return UNKNOWN.filled(why=missing.message)


def _line(line: CommandLine | Missing) -> Told:
    if isinstance(line, Missing):
        return UNKNOWN.filled(why=line.message)
    return " ".join(line.words)


def _person(user: HumanUser) -> Message:
    return PERSON.filled(name=user.name, uid=user.uid, how=user.how)


def _machine(board: Board) -> Told:
    whole = f"{board.system_vendor} {board.product}".strip()
    inside = f"{board.vendor} {board.name}".strip()
    if not whole or not inside or whole == inside:
        return whole or inside or NAMELESS.filled(path=DMI)
    return MACHINE.filled(machine=whole, board=inside)


def _image(facts: Facts) -> Told:
    """Return the image's name; "" where the host is no Universal Blue image."""
    try:
        image = facts[ImageInfo]
    except MissingFact as missing:
        if missing.why is Why.ABSENT:
            return ""
        return UNKNOWN.filled(why=missing.message)
    return f"{image.name}:{image.tag}" if image.tag else image.name
