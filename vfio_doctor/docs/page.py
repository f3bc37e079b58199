"""One rule's page, as text and as Markdown: its docstring and its constants."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.app.docstring import dedented, trimmed
from vfio_doctor.language import is_english, spoken
from vfio_doctor.messages import say
from vfio_doctor.report.wrap import columns, wrap
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from vfio_doctor.api import Check, Fix
    from vfio_doctor.diagnosis.registry import Registry

HEADINGS = {
    "What it does:": say("page-what-it-does", "What it does"),
    "Why is this bad?": say("page-why-bad", "Why is this bad?"),
    "How it is repaired:": say("page-repaired", "How it is repaired"),
    "See it yourself:": say("page-see-yourself", "See it yourself"),
    "False alarms:": say("page-false-alarms", "False alarms"),
}
SECTIONS = tuple(HEADINGS)
FACT = say("page-fact", "{name}: {value}")
LABELS = {
    "severity": say("page-severity", "severity: {value}"),
    "since": say("page-since", "since: {value}"),
    "fix": say("page-fix", "fix: {value}"),
    "reboot": say("page-reboot", "reboot: {value}"),
    "judged only if these pass": say(
        "page-requires", "judged only if these pass: {value}"
    ),
    "applicability": say("page-applicability", "applicability: {value}"),
    "solves": say("page-solves", "solves: {value}"),
}
WORDS = {
    "yes": say("page-yes", "yes"),
    "no": say("page-no", "no"),
    "none, see below": say("page-no-fix", "none, see below"),
    "error": say("page-error", "error"),
    "warning": say("page-warning", "warning"),
    "info": say("page-info", "info"),
    "safe": say("page-safe", "safe"),
    "risky": say("page-risky", "risky"),
    "manual": say("page-manual", "manual"),
}
SUMMARY = say("page-summary", "{summary}.")
CODE = "    "
# As docstrings are wrapped.
WIDTH = 76


class Page(NamedTuple):
    """A docstring taken apart: the summary, and (heading, lines) in order."""

    summary: str
    sections: tuple[tuple[str, tuple[str, ...]], ...]


def read(docstring: str | None) -> Page:
    """Return a check's docstring by its sections.

    What stands before the first heading is the summary, on one line.
    """
    before: list[str] = []
    found: list[tuple[str, list[str]]] = []
    for line in dedented(docstring):
        if line in SECTIONS:
            found.append((line, []))
        elif found:
            found[-1][1].append(line)
        else:
            before.append(line)
    sections = tuple((heading, tuple(trimmed(lines))) for heading, lines in found)
    return Page(" ".join(line for line in before if line), sections)


def sections(docstring: str | None) -> Iterator[str]:
    """Yield the parts that a catalogue translates: the summary, then each section."""
    page = read(docstring)
    if page.summary:
        yield page.summary
    yield from ("\n".join(body) for _, body in page.sections)


def check_text(check: type[Check], registry: Registry) -> str:
    """Return a check's page for a terminal."""
    page, title = read(check.__doc__), spoken(f"{check.id}.title", check.title)
    lines = [title, "=" * columns(title), ""]
    if page.summary.rstrip(".") != check.title:
        lines += [*_body(check.id, (page.summary,)), ""]
    lines += _facts(facts(check, registry))
    for heading, body in page.sections:
        said = str(HEADINGS[heading])
        inside = _body(check.id, body)
        lines += ["", said, *(f"  {line}".rstrip() for line in inside)]
    return "\n".join([*lines, ""])


def fix_text(fix: type[Fix]) -> str:
    """Return a fix's page for a terminal."""
    summary = spoken(f"{fix.id}.summary", fix.summary)
    lines = [fix.id, "=" * len(fix.id), "", str(SUMMARY.filled(summary=summary)), ""]
    lines += _facts(fix_facts(fix))
    told = dedented(fix.__doc__)
    if not is_english():
        told = [
            line for part in sections(fix.__doc__) for line in _body(fix.id, (part,))
        ]
    return "\n".join([*lines, "", *told, ""])


def _facts(rows: Iterable[tuple[str, str]]) -> list[str]:
    """Return the head of a page."""
    return [fact_line(name, value) for name, value in rows]


def fact_line(name: str, value: str) -> str:
    """Return a line of a page's head, its name and its word as they are spoken."""
    said = LABELS.get(name, FACT.filled(name=name))
    return str(said.filled(value=word_of(value), name=name))


def word_of(value: str) -> str:
    """Return a word of a rule's constants as it is spoken."""
    return str(WORDS.get(value) or value)


def _body(name: str, lines: tuple[str, ...]) -> list[str]:
    """Return a part of a page as it is spoken; other languages are wrapped anew."""
    said = said_lines(name, lines)
    if said == lines:
        return list(lines)
    return [
        line
        for part in said
        for line in ([part] if part.startswith(CODE) else wrap(part, WIDTH))
    ]


def said_lines(name: str, lines: tuple[str, ...]) -> tuple[str, ...]:
    """Return a part of a page as it is spoken, each paragraph on one line."""
    text = "\n".join(lines)
    said = spoken(f"{name}.page", text)
    return lines if said == text else tuple(said.split("\n"))


def facts(check: type[Check], registry: Registry) -> Iterator[tuple[str, str]]:
    """Yield what the constants say, for the head of the page."""
    yield "id", check.id
    yield "severity", check.severity.word
    yield "since", check.since
    fixes = registry.fixes_for(check.id)
    shown = [f"{fix.id} ({fix.applicability.value})" for fix in fixes]
    yield "fix", ", ".join(shown) or "none, see below"
    if fixes:
        yield "reboot", "yes" if any(fix.reboot for fix in fixes) else "no"
    if check.requires:
        yield "judged only if these pass", ", ".join(check.requires)


def fix_facts(fix: type[Fix]) -> Iterator[tuple[str, str]]:
    """Yield what a fix's constants say."""
    yield "applicability", fix.applicability.value
    yield "reboot", "yes" if fix.reboot else "no"
    yield "solves", ", ".join(fix.solves)
