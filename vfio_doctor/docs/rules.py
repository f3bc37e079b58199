"""The rule reference: one page a check, and an index with all fixes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.app.docstring import dedented
from vfio_doctor.docs.page import (
    CODE,
    HEADINGS,
    SUMMARY,
    fact_line,
    facts,
    fix_facts,
    read,
    said_lines,
    sections,
    word_of,
)
from vfio_doctor.language import is_english, spoken
from vfio_doctor.messages import say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vfio_doctor.api import Check, Fix
    from vfio_doctor.diagnosis.registry import Registry

MADE = say("rules-made", "Made from the code by `scripts/documents --write`.")
RULES, CHECKS = say("rules-title", "Rules"), say("rules-checks", "Checks")
FIXES = say("rules-fixes", "Fixes")
BOTH = say("rules-both", "Checks and fixes")
CHECKS_HEAD = say("rules-checks-head", "| Check | Severity | Title |")
MATRIX_HEAD = say("rules-matrix-head", "| Check | Safe | Risky | By hand |")
EXAMPLE = say("rules-example", "Example")


def pages(
    registry: Registry, example: Callable[[type[Check]], str]
) -> Iterator[tuple[str, str]]:
    """Yield (name below ``docs/``, text) of the index and of every page.

    ``example`` returns the finding as a report shows it, or "".
    """
    yield "rules.md", _index(registry)
    for check in registry.checks:
        yield f"rules/{check.id}.md", check_page(check, registry, example(check))


def check_page(check: type[Check], registry: Registry, example: str) -> str:
    """Return a check's page as Markdown."""
    page, title = read(check.__doc__), spoken(f"{check.id}.title", check.title)
    lines = [f"# {check.id}: {title}", ""]
    if page.summary.rstrip(".") != check.title:
        lines += [*said_lines(check.id, (page.summary,)), ""]
    lines += [
        f"- {fact_line(name, _linked(name, value))}"
        for name, value in facts(check, registry)
    ]
    for heading, body in page.sections:
        said = said_lines(check.id, body)
        lines += ["", f"## {HEADINGS[heading]}", "", *_fenced(said)]
    if example:
        lines += ["", f"## {EXAMPLE}", "", "```text", *example.splitlines(), "```"]
    return "\n".join([*lines, ""])


def _linked(name: str, value: str) -> str:
    if name == "judged only if these pass":
        return ", ".join(f"[{word}]({word}.md)" for word in value.split(", "))
    return value


def _fenced(lines: tuple[str, ...]) -> Iterator[str]:
    """Turn indented commands into fenced blocks, which GitHub offers to copy."""
    inside = False
    for line in lines:
        is_code = line.startswith(CODE)
        if is_code and not inside:
            yield "```sh"
        elif inside and not is_code:
            yield "```"
        inside = is_code
        yield line[len(CODE) :] if is_code else line
    if inside:
        yield "```"


def _index(registry: Registry) -> str:
    lines = [f"# {RULES}", "", str(MADE), "", f"## {CHECKS}", ""]
    lines += [str(CHECKS_HEAD), "| --- | --- | --- |"]
    for check in registry.checks:
        link = f"[{check.id}](rules/{check.id}.md)"
        title = spoken(f"{check.id}.title", check.title)
        lines.append(f"| {link} | {word_of(check.severity.word)} | {title} |")
    lines += ["", f"## {FIXES}", ""]
    for fix in registry.fixes:
        lines += _fix(fix)
    return "\n".join([*lines, f"## {BOTH}", "", *_matrix(registry), ""])


def _fix(fix: type[Fix]) -> list[str]:
    summary = spoken(f"{fix.id}.summary", fix.summary).rstrip(".")
    lines = [f"### {fix.id}", "", str(SUMMARY.filled(summary=summary)), ""]
    lines += [f"- {fact_line(name, value)}" for name, value in fix_facts(fix)]
    return [*lines, "", *_told(fix), ""]


def _told(fix: type[Fix]) -> list[str]:
    if is_english():
        return dedented(fix.__doc__)
    parts = sections(fix.__doc__)
    return [line for part in parts for line in said_lines(fix.id, (part,))]


def _matrix(registry: Registry) -> list[str]:
    rows = []
    for check in registry.checks:
        fixes = registry.fixes_for(check.id)
        by_kind = {
            kind: ", ".join(f.id for f in fixes if f.applicability.value == kind)
            for kind in ("safe", "risky", "manual")
        }
        rows.append(f"| {check.id} | {' | '.join(by_kind.values())} |")
    return [str(MATRIX_HEAD), "| --- | --- | --- | --- |", *rows]
