"""What is wrong on a host, and what to do, as parts of a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.diagnosis.report import worst
from vfio_doctor.messages import say
from vfio_doctor.model import Severity, Status
from vfio_doctor.report.chain import BROKEN, DOUBTFUL, HEADING, IN_ORDER, links
from vfio_doctor.report.order import failed
from vfio_doctor.report.rows import CHECK_HEADS, CHECKS, HOST, check_rows, host_rows
from vfio_doctor.report.steps import next_command, next_steps
from vfio_doctor.report.text import (
    ALSO,
    EVIDENCE,
    NEXT,
    NOTE,
    UNTOLD,
    cautions,
    cure,
    not_all_seen,
    reasons_of,
    verdict,
)
from vfio_doctor.report.web.markup import element, fold, paragraph, table, words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.model import CheckResult, Diagnosis, Report
    from vfio_doctor.report.pasted import Called

WRONG = say("web-wrong", "What is wrong")
SHOWN_EVIDENCE = say("web-evidence", "Evidence")
SEVERITIES = {
    Severity.ERROR: say("web-error", "error"),
    Severity.WARNING: say("web-warning", "warning"),
    Severity.INFO: say("web-info", "note"),
}
# What marks a link of the chain; others could not be seen, or wait.
LINKS = {IN_ORDER: "good", BROKEN: "error", DOUBTFUL: "warning"}


def body(report: Report, called: Called, top: int = 2) -> Iterator[str]:
    """Yield the parts of a report; ``top`` is the level of their headings."""
    yield _verdict(report, called)
    for line in cautions(report):
        yield paragraph(NOTE.filled(note=line), called, "soft")
    yield from _host(report)
    found = failed(report)
    if found:
        yield element(f"h{top}", words(WRONG))
    for result in found:
        yield _failure(result, report, called, f"h{top + 1}")
    yield from _untold(report, called, f"h{top}")
    yield from _steps(report, called, f"h{top}")
    yield from _chain(report, f"h{top}")
    yield _checks(report)


def grade(report: Report) -> str:
    """Return what colours a whole report: its worst finding, good, or nothing."""
    found = [worst(result) for result in failed(report)]
    if found:
        return max(found).word
    doubts = (Status.UNKNOWN, Status.ERROR)
    return "" if any(r.status in doubts for r in report.checks) else "good"


def _verdict(report: Report, called: Called) -> str:
    step = next_command(report)
    said = [paragraph(verdict(report), called)]
    said += [paragraph(step, called)] if step is not None else []
    return element("div", *said, class_=f"verdict {grade(report)}".rstrip())


def _host(report: Report) -> Iterator[str]:
    rows = [
        element("dt", words(name)) + element("dd", words(value))
        for name, value in host_rows(report)
    ]
    yield fold(words(HOST), element("dl", *rows), open_=True)


def _failure(result: CheckResult, report: Report, called: Called, level: str) -> str:
    severity = worst(result)
    kind = element(
        "span", words(SEVERITIES[severity]), class_=f"severity {severity.word}"
    )
    inside = [element(level, kind, " ", words(result.heading))]
    inside.append(element("p", element("code", words(result.id)), class_="soft"))
    for diagnosis in result.diagnoses:
        inside += _diagnosis(diagnosis, called)
    if result.reason:
        inside.append(paragraph(not_all_seen(result.reason), called))
    waiting = ", ".join(r.id for r in report.checks if result.id in r.blocked_by)
    if waiting:
        inside.append(paragraph(ALSO.filled(checks=waiting), called, "soft"))
    return element("section", *inside, class_=f"finding {severity.word}")


def _diagnosis(diagnosis: Diagnosis, called: Called) -> Iterator[str]:
    yield paragraph(diagnosis.finding.message, called)
    yield from (paragraph(line, called, "cure") for line in cure(diagnosis))
    rows = diagnosis.finding.evidence
    if rows:
        cells = [tuple(element("code", words(c)) if c else "" for c in r) for r in rows]
        yield fold(words(SHOWN_EVIDENCE), table(EVIDENCE, cells, SHOWN_EVIDENCE))


def _untold(report: Report, called: Called, level: str) -> Iterator[str]:
    for status, heading in UNTOLD:
        reasons = reasons_of(report, status)
        if not reasons:
            continue
        yield element(level, words(heading))
        for reason, ids in reasons.items():
            named = element("code", words(", ".join(ids)))
            yield element("p", named, ": ", words(reason or "", called))


def _steps(report: Report, called: Called, level: str) -> Iterator[str]:
    steps = next_steps(report)
    if steps:
        yield element(level, words(NEXT))
        yield element("ol", *(element("li", words(step, called)) for step in steps))


def _chain(report: Report, level: str) -> Iterator[str]:
    found = links(report)
    if not found:
        return
    yield element(level, words(HEADING))
    items = []
    for link in found:
        state = LINKS.get(link.state, "unseen")
        kind = "severity error" if state == "error" else "soft"
        named = element("strong", words(link.name))
        inside = [named, " ", element("span", words(link.state), class_=kind)]
        if link.why:
            inside.append(element("div", words(link.why), class_="soft"))
        items.append(element("li", *inside, class_=state))
    yield element("ol", *items, class_="chain")


def _checks(report: Report) -> str:
    rows = [
        (element("code", words(name)), words(end), words(why))
        for name, end, why in check_rows(report)
    ]
    return fold(words(CHECKS), table(CHECK_HEADS, rows, CHECKS))
