"""One rule's page, as text and as Markdown: its docstring and its constants."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.app.docstring import dedented, trimmed
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.api import Check, Fix
    from vfio_doctor.diagnosis.registry import Registry

SECTIONS = (
    "What it does:",
    "Why is this bad?",
    "How it is repaired:",
    "See it yourself:",
    "False alarms:",
)
CODE = "    "


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
    page = read(check.__doc__)
    lines = [check.title, "=" * len(check.title), ""]
    if page.summary.rstrip(".") != check.title:
        lines += [page.summary, ""]
    lines += [f"{name}: {value}" for name, value in facts(check, registry)]
    for heading, body in page.sections:
        lines += ["", heading.rstrip(":"), *(f"  {line}".rstrip() for line in body)]
    return "\n".join([*lines, ""])


def fix_text(fix: type[Fix]) -> str:
    """Return a fix's page for a terminal."""
    lines = [fix.id, "=" * len(fix.id), "", f"{fix.summary.rstrip('.')}.", ""]
    lines += [f"{name}: {value}" for name, value in fix_facts(fix)]
    return "\n".join([*lines, "", *dedented(fix.__doc__), ""])


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
