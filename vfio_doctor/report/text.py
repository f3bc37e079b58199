"""The report as text for a person at a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.diagnosis.offer import waits_for_reboot
from vfio_doctor.diagnosis.report import worst
from vfio_doctor.messages import in_order, say
from vfio_doctor.model import Applicability, Severity, Status
from vfio_doctor.report.order import failed
from vfio_doctor.report.page import SAID_OF, Page
from vfio_doctor.report.steps import (
    LAST,
    THIS_HOST,
    next_command,
    next_steps,
    source,
    what_waits,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.model import (
        BootInfo,
        CheckResult,
        Diagnosis,
        FixOffer,
        Message,
        Report,
    )
    from vfio_doctor.report.style import Look

# A line a finding, for grep and for mail.
UNBROKEN = 1 << 20
# How one check ended, and how several did.
ENDS = (
    ("pass", say("end-pass-one", "1 passed"), say("end-pass", "{count} passed")),
    (
        "not-applicable",
        say("end-not-applicable-one", "1 does not apply"),
        say("end-not-applicable", "{count} do not apply"),
    ),
    (
        "blocked",
        say("end-blocked-one", "1 waits for another"),
        say("end-blocked", "{count} wait for others"),
    ),
    (
        "unknown",
        say("end-unknown-one", "1 could not be decided"),
        say("end-unknown", "{count} could not be decided"),
    ),
    (
        "error",
        say("end-error-one", "1 failed itself"),
        say("end-error", "{count} failed themselves"),
    ),
)
REPAIRS = {
    Applicability.SAFE: say("repair-safe", "`sudo vfio-doctor --fix`: {summary}."),
    Applicability.RISKY: say(
        "repair-risky", "`sudo vfio-doctor --fix --risky`: {summary}."
    ),
    Applicability.MANUAL: say("repair-by-hand", "By hand: {summary}."),
}
EVIDENCE = (
    say("table-where", "Where"),
    say("table-seen", "Seen"),
    say("table-expected", "Expected"),
)
ALSO = say("also-affects", "Also affects: {checks}")
ALSO_MORE = say("also-affects-more", "Also affects: {checks} and {count} more")
# So many are named without -v.
NAMED = 3
MARKS = {
    Severity.ERROR: say("mark-error", "ERROR"),
    Severity.WARNING: say("mark-warning", "WARNING"),
    Severity.INFO: say("mark-info", "INFO"),
}
# What the ids of rules begin with, and what these rules look at.
AREAS = (
    (("cpu-", "kvm-"), say("area-kvm", "KVM")),
    (("iommu-", "interrupt-"), say("area-iommu", "the IOMMU")),
    (("reboot-", "grub-"), say("area-boot", "the next boot")),
    (("kvmfr-",), say("area-kvmfr", "kvmfr")),
    (("libvirt-",), say("area-libvirt", "libvirt")),
)
SCOPE = say(
    "verdict-scope",
    "Not looked at: libvirt's settings, SELinux, AppArmor, graphics drivers.",
)
LESS_SCOPE = say(
    "verdict-scope-libvirt", "Not looked at: SELinux, AppArmor, graphics drivers."
)
LEAST_SCOPE = say("verdict-scope-vm", "Not looked at: graphics drivers, the guest.")
NEXT = say("heading-next", "What to do next")
# As many as leave room for the steps on a terminal of 24 lines.
WORST = 3
AND_MORE = say("closing-more", "and {count} more, see above")
HELP = say(
    "closing-help",
    "To ask for help: `vfio-doctor bug-report` writes one file; attach it where your "
    "distribution or Looking Glass takes questions.",
)
BESIDES = say(
    "closing-besides",
    "Also here: `vfio-doctor devices` (what shares an IOMMU group), `vfio-doctor "
    "checks` (what was looked at), `vfio-doctor --help`.",
)
UNTOLD = (
    (Status.UNKNOWN, say("heading-unknown", "Could not tell")),
    (Status.ERROR, say("heading-error", "Broken rules (please report these)")),
)
COMPLETE_CAPTURE = say(
    "note-complete-capture",
    "names and addresses of that machine are not hidden here. Before you show this to "
    "others, add --redact.",
)
NOTE = say("note", "Note: {note}")
# As wide as the mark of a note.
NOTE_INDENT = " " * 8
FOUND = {
    "error": (say("count-error", "1 error"), say("count-errors", "{count} errors")),
    "warning": (
        say("count-warning", "1 warning"),
        say("count-warnings", "{count} warnings"),
    ),
    "info": (say("count-note", "1 note"), say("count-notes", "{count} notes")),
}
STATUSES = {
    Status.PASS: say("status-pass", "passed"),
    Status.FAIL: say("status-fail", "failed"),
    Status.NOT_APPLICABLE: say("status-not-applicable", "does not apply"),
    Status.BLOCKED: say("status-blocked", "blocked"),
    Status.UNKNOWN: say("status-unknown", "unknown"),
    Status.ERROR: say("status-error", "error"),
}
# Why the checks of a VM's devices do not apply.
NO_DEVICE = "vfio-nothing-wanted"


def render(report: Report, look: Look) -> str:
    """Return the report; with a verbosity below 0 only what is wrong, a line each."""
    if look.verbosity < 0:
        page = Page(look._replace(width=UNBROKEN))
        _short(report, page)
    else:
        page = Page(look)
        _whole(report, page)
    return page.text()


def render_one(report: Report, look: Look) -> str:
    """Return how the only check of a report ended, with its evidence."""
    page = Page(look)
    page.heading(say("one-heading", "On {source}").filled(source=source(report)))
    for result in report.checks:
        if result.status is Status.FAIL:
            _failure(result, report, page)
        else:
            why = ", ".join(result.blocked_by) or result.reason
            end = STATUSES[result.status]
            page.say(SAID_OF.filled(what=end, said=why) if why else end)
    return page.text()


def _short(report: Report, page: Page) -> None:
    for result in failed(report):
        for diagnosis in result.diagnoses:
            page.mark(
                diagnosis.severity.word,
                diagnosis.severity,
                f"{result.id}: {diagnosis.finding.message}",
            )
    page.say(verdict(report))


def _whole(report: Report, page: Page) -> None:
    _head(report, page)
    for result in failed(report):
        page.gap()
        _failure(result, report, page)
    _untold(report, page)
    _unwanted(report, page)
    if page.look.verbosity > 0:
        from vfio_doctor.report.chain import draw

        draw(report, page)
        _quiet_ends(report, page)
    _steps(report, page)
    _closing(report, page)


def _head(report: Report, page: Page) -> None:
    host, boot = report.host, report.boot
    looked = say("head", "{tool} {version} looked at {source}")
    tool, version = report.tool.name, report.tool.version
    page.say(looked.filled(tool=tool, version=version, source=source(report)))
    rows = [
        (say("head-system", "System: {value}"), host.os),
        (say("head-image", "Image: {value}"), host.image),
        (say("head-kernel", "Kernel: {value}"), host.kernel),
        (say("head-machine", "Machine: {value}"), host.machine),
        (say("head-cpu", "CPU: {value}"), host.cpu),
        (say("head-user", "VM user: {value}"), host.user),
        (say("head-boot", "Boot: {value}"), boot.stack),
    ]
    for line, value in rows:
        if value:
            page.say(line.filled(value=value), "  ", "    ")
    if page.look.verbosity > 0:
        for line in _arguments(boot):
            page.say(line, "  ", "    ")
    for caution in cautions(report):
        page.say(NOTE.filled(note=caution), "  ", NOTE_INDENT)


def _arguments(boot: BootInfo) -> Iterator[Message]:
    now = say("head-arguments-now", "Arguments now ({source}): {value}")
    following = say("head-arguments", "Arguments at the next boot ({source}): {value}")
    if boot.now:
        yield now.filled(source=boot.now_source, value=boot.now)
    if boot.next:
        yield following.filled(source=boot.next_source, value=boot.next)


def cautions(report: Report) -> Iterator[Message]:
    """Yield what limits this report: a container, no root, a broken plug-in.

    And that nothing is hidden in it.
    """
    if report.run.source != THIS_HOST:
        yield say(
            "note-capture",
            "this is a capture: the steps are for the host it was made on.",
        )
        if not report.run.redacted:
            yield COMPLETE_CAPTURE
    elif not report.run.redacted:
        yield say(
            "note-complete",
            "names and addresses of this machine are not hidden here. Before you show "
            "this to others, add --redact.",
        )
    container = report.host.container
    if container and isinstance(container, str):
        yield say(
            "note-container",
            "this runs inside a container ({container}); it sees the container, and of "
            "the host only what is shared. Run it on the host.",
            container=container,
        )
    if report.host.uid != 0:
        yield _without_root(sum(map(_is_untold, report.checks)))
    if report.tool.plugins:
        yield say(
            "note-plug-ins",
            "Rules of plug-ins took part: {plugins}.",
            plugins=report.tool.plugins,
        )
    for problem in report.tool.problems:
        yield say(
            "note-plug-in",
            "{problem}; its rules are missing here.",
            problem=problem,
        )


def _is_untold(result: CheckResult) -> bool:
    """Tell whether a check could not see all: undecided, or found but not all."""
    return result.status is Status.UNKNOWN or result.needs_root


def _without_root(untold: int) -> Message:
    if not untold:
        return say("note-no-root", "not run as root; everything asked could be seen.")
    if untold == 1:
        return say(
            "note-no-root-one",
            "not run as root; 1 check could not be decided, see below.",
        )
    return say(
        "note-no-root-several",
        "not run as root; {count} checks could not be decided, see below.",
        count=untold,
    )


def verdict(report: Report) -> Message:
    """Return one line: how many findings, by severity, and how the rest ended."""
    statuses = dict(report.summary.statuses)
    ends = [_counted(statuses[key], one, more) for key, one, more in ENDS]
    told = tuple(end for end in ends if end is not None)
    of = say("verdict-of-one", "Of 1 check: {ends}.", ends=told)
    if len(report.checks) != 1:
        of = say("verdict-of", "Of {count} checks: {ends}.").filled(
            count=len(report.checks), ends=told
        )
    return in_order(_what(report), *_blocked(report), of if told else None)


def _what(report: Report) -> Message:
    severities = dict(report.summary.severities)
    counts = [_counted(severities[word], *FOUND[word]) for word in severities]
    found = tuple(count for count in counts if count is not None)
    if found:
        return say("verdict-found", "Found: {found}.", found=found)
    statuses = dict(report.summary.statuses)
    if statuses["blocked"]:
        return say("verdict-blocked", "Not all could be judged.")
    if statuses["unknown"] + statuses["error"]:
        seen = say("verdict-seen", "Found nothing wrong in what could be seen.")
        return in_order(seen, _scope(report))
    looked = tuple(_areas(report))
    if not looked:
        return say("verdict-nothing", "Found nothing wrong.")
    fine = say("verdict-nothing-with", "Found nothing wrong with {areas}.")
    return in_order(fine.filled(areas=looked), _scope(report))


def _scope(report: Report) -> Message:
    """Return what no rule has looked at here, of what people ask for most."""
    passed = {r.id for r in report.checks if r.status is Status.PASS}
    if "kvmfr-not-in-device-list" in passed:
        return LEAST_SCOPE
    looked = any(name.startswith("libvirt-") for name in passed)
    return LESS_SCOPE if looked else SCOPE


def _areas(report: Report) -> Iterator[Message]:
    """Yield what the rules that passed have looked at, each area once."""
    passed = [r.id for r in report.checks if r.status is Status.PASS]
    for ids, name in AREAS:
        if any(check.startswith(ids) for check in passed):
            yield name


def _counted(number: int, one: Message, more: Message) -> Message | None:
    """Return the message for that many, None for none."""
    if not number:
        return None
    return one if number == 1 else more.filled(count=number)


def _blocked(report: Report) -> Iterator[Message]:
    """Yield a sentence on what waits for checks that this report leaves out."""
    shown = {result.id for result in report.checks}
    one = say("verdict-waits", "{check} is blocked by {others} (select it too).")
    more = say(
        "verdict-waits-more", "{check} is blocked by {others} (select them too)."
    )
    for result in report.checks:
        unseen = tuple(name for name in result.blocked_by if name not in shown)
        if unseen:
            said = one if len(unseen) == 1 else more
            yield said.filled(check=result.id, others=unseen)


def _failure(result: CheckResult, report: Report, page: Page) -> None:
    severity = worst(result)
    page.mark(str(MARKS[severity]), severity, f"{result.heading}  [{result.id}]")
    for diagnosis in result.diagnoses:
        page.say(diagnosis.finding.message, "  ")
        for line in cure(diagnosis):
            page.say(line, "  -> " if page.look.utf8 else "  > ")
        if page.look.verbosity > 0:
            _evidence(diagnosis, page)
    if result.reason:
        page.say(not_all_seen(result.reason), "  ")
    waiting = [r.id for r in report.checks if result.id in r.blocked_by]
    if waiting:
        page.say(_also(waiting, page.look.verbosity > 0), "  ", "    ")


def _also(waiting: list[str], whole: bool) -> Message:
    """Return which checks wait; a few of them, unless all are asked for."""
    if whole or len(waiting) <= NAMED + 1:
        return ALSO.filled(checks=", ".join(waiting))
    named = ", ".join(waiting[:NAMED])
    return ALSO_MORE.filled(checks=named, count=len(waiting) - NAMED)


def not_all_seen(reason: Message) -> Message:
    """Return what a failed check could not see besides what it found."""
    return say("not-all-seen", "Not everything could be seen: {reason}", reason=reason)


def cure(diagnosis: Diagnosis) -> Iterator[Message]:
    """Yield what to do about a finding: the repair, or by hand and why not it."""
    fix = diagnosis.fix
    if fix is not None and not fix.cannot:
        yield repair(fix)
    if waits_for_reboot(diagnosis):
        yield what_waits(diagnosis)
    elif fix is None or fix.cannot or fix.applicability is Applicability.MANUAL:
        if diagnosis.finding.advice:
            yield diagnosis.finding.advice
        if fix is not None and fix.cannot:
            yield say(
                "no-repair", "No automatic repair here: {reason}", reason=fix.cannot
            )


def repair(fix: FixOffer) -> Message:
    """Return what to type for a fix, and when it takes effect."""
    reboot = say("repair-at-reboot", "It takes effect at the next reboot.")
    return in_order(
        REPAIRS[fix.applicability].filled(summary=fix.summary),
        reboot if fix.reboot else None,
        fix.may_be_lost,
    )


def _evidence(diagnosis: Diagnosis, page: Page) -> None:
    rows = diagnosis.finding.evidence
    if rows:
        page.table(tuple(map(str, EVIDENCE)), rows)


def _untold(report: Report, page: Page) -> None:
    """List what could not be told, checks with the same reason together."""
    for status, heading in UNTOLD:
        reasons = reasons_of(report, status)
        if reasons:
            page.heading(str(heading))
        for reason, ids in reasons.items():
            page.say(f"{', '.join(ids)}: {reason or ''}", "  ", "    ")


def reasons_of(report: Report, status: Status) -> dict[Message | None, list[str]]:
    """Return the checks that ended so, those with the same reason together."""
    reasons: dict[Message | None, list[str]] = {}
    for result in report.checks:
        if result.status is status:
            reasons.setdefault(result.reason, []).append(result.id)
    return reasons


def _unwanted(report: Report, page: Page) -> None:
    """Say once that no device is meant for a VM: its checks then say nothing.

    Where one of them says something all the same, somebody does mean one.
    """
    if any(r.id.startswith("vfio-") and r.diagnoses for r in report.checks):
        return
    for result in report.checks:
        if result.reason is not None and result.reason.id == NO_DEVICE:
            page.gap()
            page.say(result.reason)
            return


def _quiet_ends(report: Report, page: Page) -> None:
    """List what passed, does not apply or waits: asked for with ``-v``."""
    passed = [r.id for r in report.checks if r.status is Status.PASS]
    if passed:
        page.heading(str(say("heading-passed", "Passed")))
        page.say(", ".join(passed), "  ")
    skipped = reasons_of(report, Status.NOT_APPLICABLE)
    if skipped:
        page.heading(str(say("heading-not-applicable", "Does not apply")))
    for reason, ids in skipped.items():
        page.say(f"{', '.join(ids)}: {reason}", "  ", "    ")


def _steps(report: Report, page: Page) -> None:
    steps = next_steps(report)
    if len(steps) == 1 and next_command(report) == LAST.filled(step=steps[0]):
        # The last line says it.
        return
    if steps:
        page.heading(str(NEXT))
    for number, step in enumerate(steps, 1):
        page.say(step, f" {number:>2}. ")


def _closing(report: Report, page: Page) -> None:
    """Say last what stays on the screen: what is wrong, and the one next step."""
    page.gap()
    page.say(verdict(report))
    found = [r for r in failed(report) if worst(r) > Severity.INFO]
    # One more takes as much room as saying so.
    shown = found if len(found) <= WORST + 1 else found[:WORST]
    for result in shown:
        page.mark(str(MARKS[worst(result)]), worst(result), result.heading, "  ")
    left = len(found) - len(shown)
    if left:
        page.say(AND_MORE.filled(count=left), "  ")
    step = next_command(report)
    if step is not None:
        page.say(step)
    elif not found:
        page.say(BESIDES)
    # Whoever holds a capture is the one who was asked.
    if report.run.source == THIS_HOST:
        page.say(HELP)
