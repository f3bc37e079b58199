"""The report as text for a person at a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.diagnosis.report import worst
from vfio_doctor.model import Applicability, Severity, Status
from vfio_doctor.report.steps import next_steps
from vfio_doctor.report.untrusted import ascii_only, clean
from vfio_doctor.report.wrap import wrap

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from vfio_doctor.model import CheckResult, Diagnosis, FixOffer, Message, Report
    from vfio_doctor.report.style import Look

# A line a finding, for grep and for mail.
UNBROKEN = 1 << 20
# What the live reader calls itself.
THIS_HOST = "this host"
ENDS = (
    ("pass", "passed", "passed"),
    ("not-applicable", "does not apply", "do not apply"),
    ("blocked", "waits for another", "wait for another"),
    ("unknown", "could not be decided", "could not be decided"),
    ("error", "failed itself", "failed themselves"),
)
COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}


def render(report: Report, look: Look) -> str:
    """Return the report; with a verbosity below 0 only what is wrong, a line each."""
    if look.verbosity < 0:
        page = Page(look._replace(width=UNBROKEN))
        _short(report, page)
    else:
        page = Page(look)
        _whole(report, page)
    return page.text()


class Page:
    """Lines of a report: each text is made safe, wrapped and styled here only."""

    def __init__(self, look: Look) -> None:
        """Start an empty page."""
        self.look = look
        self._lines: list[str] = []

    def text(self) -> str:
        """Return the page with a line end."""
        text = "\n".join(self._lines).strip("\n") + "\n"
        return text if self.look.utf8 else ascii_only(text)

    def gap(self) -> None:
        """Leave one line empty."""
        if self._lines and self._lines[-1]:
            self._lines.append("")

    def say(
        self, text: str | Message, first: str = "", rest: str | None = None
    ) -> None:
        """Add prose, indented by ``first`` and then by as many spaces."""
        indent = " " * len(first) if rest is None else rest
        self._lines.extend(wrap(clean(text), self.look.width, first, indent))

    def heading(self, text: str) -> None:
        """Add an empty line and a heading."""
        self.gap()
        self._lines.append(self._style(text, bold=True))

    def mark(self, word: str, severity: Severity, text: str | Message) -> None:
        """Add a line that starts with a word in the severity's colour."""
        lines = wrap(f"{word} {clean(text)}", self.look.width, "", "  ")
        first = self._style(word, fg=COLOURS[severity], bold=True)
        self._lines.append(first + lines[0][len(word) :])
        self._lines.extend(lines[1:])

    def table(
        self, headers: tuple[str, ...], rows: Iterable[tuple[str | Message, ...]]
    ) -> None:
        """Add a table, indented."""
        from vfio_doctor.report.table import table

        self._lines.extend(table(headers, rows, self.look.width, "  "))

    def _style(self, text: str, fg: str | None = None, bold: bool = False) -> str:
        if not self.look.colour:
            return text
        from click import style

        return style(text, fg=fg, bold=bold)


def render_one(report: Report, look: Look) -> str:
    """Return how the only check of a report ended, with its evidence."""
    page = Page(look)
    page.heading(f"On {clean(report.run.source)}")
    for result in report.checks:
        if result.status is Status.FAIL:
            _failure(result, report, page)
        else:
            why = ", ".join(result.blocked_by) or result.reason
            page.say(f"{result.status.value}: {why}" if why else result.status.value)
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
    page.gap()
    page.say(verdict(report))
    for result in failed(report):
        page.gap()
        _failure(result, report, page)
    _untold(report, page)
    if page.look.verbosity > 0:
        _quiet_ends(report, page)
    _steps(report, page)


def _head(report: Report, page: Page) -> None:
    host, boot = report.host, report.boot
    page.say(f"{report.tool.name} {report.tool.version} looked at {report.run.source}")
    rows = [("System", host.os), ("Image", host.image), ("Kernel", host.kernel)]
    rows += [("Machine", host.machine), ("CPU", host.cpu), ("VM user", host.user)]
    rows += [("Boot", boot.stack)]
    if page.look.verbosity > 0:
        rows += [(f"Arguments now ({boot.now_source})", boot.now)]
        rows += [(f"Arguments at the next boot ({boot.next_source})", boot.next)]
    for name, value in rows:
        if value:
            page.say(f"{name}: {value}", "  ", "    ")
    for line in cautions(report):
        page.say(line, "  Note: ")


def cautions(report: Report) -> Iterator[str]:
    """Yield what limits this report: a container, no root, a broken plug-in."""
    if report.run.source != THIS_HOST:
        yield "this is a capture: the steps are for the host it was made on."
    container = report.host.container
    if container and isinstance(container, str):
        yield (
            f"this runs inside a container ({container}); it sees the container, "
            "and of the host only what is shared. Run it on the host."
        )
    untold = sum(r.status is Status.UNKNOWN for r in report.checks)
    if report.host.uid != 0:
        seen = (
            "everything asked could be seen"
            if not untold
            else (f"{_count(untold, 'check')} could not be decided, see below")
        )
        yield f"not run as root; {seen}."
    for problem in report.tool.problems:
        yield f"{problem}; its rules are missing here."


def verdict(report: Report) -> str:
    """Return one line: how many findings, by severity, and how the rest ended."""
    severities = dict(report.summary.severities)
    found = [_count(n, word) for word, n in severities.items() if n and word != "info"]
    if severities["info"]:
        found.append(f"{severities['info']} for information")
    statuses = dict(report.summary.statuses)
    ends = [
        f"{statuses[key]} {one if statuses[key] == 1 else more}"
        for key, one, more in ENDS
        if statuses[key]
    ]
    rest = f"Of {_count(len(report.checks), 'check')}: {', '.join(ends)}."
    what = f"Found: {', '.join(found)}." if found else "Found nothing wrong."
    if not found and statuses["unknown"] + statuses["error"]:
        what = "Found nothing wrong in what could be seen."
    if statuses["blocked"] and not found:
        what = "Not all could be judged."
    parts = [what, *_blocked(report), *([rest] if ends else [])]
    return " ".join(parts)


def _blocked(report: Report) -> Iterator[str]:
    """Yield a sentence on what waits for checks that this report leaves out."""
    shown = {result.id for result in report.checks}
    for result in report.checks:
        unseen = [name for name in result.blocked_by if name not in shown]
        if unseen:
            it = "it" if len(unseen) == 1 else "them"
            yield f"{result.id} is blocked by {', '.join(unseen)} (select {it} too)."


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def failed(report: Report) -> list[CheckResult]:
    """Return the failed checks: root causes first, then by severity and id."""
    roots = {check_id: at for at, check_id in enumerate(report.summary.root_causes)}
    failed = [r for r in report.checks if r.status is Status.FAIL]
    last = len(roots)
    return sorted(failed, key=lambda r: (roots.get(r.id, last), -worst(r), r.id))


def _failure(result: CheckResult, report: Report, page: Page) -> None:
    severity = worst(result)
    page.mark(severity.word.upper(), severity, f"{result.title}  [{result.id}]")
    for diagnosis in result.diagnoses:
        page.say(diagnosis.finding.message, "  ")
        for line in cure(diagnosis):
            page.say(line, "  -> " if page.look.utf8 else "  > ")
        if page.look.verbosity > 0:
            _evidence(diagnosis, page)
    if result.reason:
        page.say(f"Not everything could be seen: {result.reason}", "  ")
    waiting = [r.id for r in report.checks if result.id in r.blocked_by]
    if waiting:
        page.say(f"Also affects: {', '.join(waiting)}", "  ", "    ")


def cure(diagnosis: Diagnosis) -> Iterator[str | Message]:
    """Yield what to do about a finding: the repair, or by hand and why not it."""
    fix = diagnosis.fix
    if fix is not None and not fix.cannot:
        yield repair(fix)
    if fix is None or fix.cannot or fix.applicability is Applicability.MANUAL:
        if diagnosis.finding.advice:
            yield diagnosis.finding.advice
        if fix is not None and fix.cannot:
            yield f"No automatic repair here: {fix.cannot}"


def repair(fix: FixOffer) -> str:
    """Return what to type for a fix, and when it takes effect."""
    end = " It takes effect at the next reboot." if fix.reboot else ""
    command = {
        Applicability.SAFE: "`vfio-doctor --fix`: ",
        Applicability.RISKY: "`vfio-doctor --fix --risky`: ",
        Applicability.MANUAL: "By hand: ",
    }[fix.applicability]
    lost = f" {fix.may_be_lost}" if fix.may_be_lost else ""
    return f"{command}{str(fix.summary).rstrip('.')}.{end}{lost}"


def _evidence(diagnosis: Diagnosis, page: Page) -> None:
    rows = diagnosis.finding.evidence
    if rows:
        page.table(("Where", "Seen", "Expected"), rows)


def _untold(report: Report, page: Page) -> None:
    """List what could not be told, checks with the same reason together."""
    for status, heading in (
        (Status.UNKNOWN, "Could not tell"),
        (Status.ERROR, "Broken rules (please report these)"),
    ):
        reasons: dict[str, list[str]] = {}
        for result in report.checks:
            if result.status is status:
                reasons.setdefault(str(result.reason), []).append(result.id)
        if reasons:
            page.heading(heading)
        for reason, ids in reasons.items():
            page.say(f"{', '.join(ids)}: {reason}", "  ", "    ")


def _quiet_ends(report: Report, page: Page) -> None:
    """List what passed, does not apply or waits: asked for with ``-v``."""
    passed = [r.id for r in report.checks if r.status is Status.PASS]
    if passed:
        page.heading("Passed")
        page.say(", ".join(passed), "  ")
    skipped = [r for r in report.checks if r.status is Status.NOT_APPLICABLE]
    if skipped:
        page.heading("Does not apply")
    for result in skipped:
        page.say(f"{result.id}: {result.reason}", "  ", "    ")


def _steps(report: Report, page: Page) -> None:
    steps = next_steps(report)
    if steps:
        page.heading("What to do next")
    for number, step in enumerate(steps, 1):
        page.say(step, f" {number:>2}. ")
