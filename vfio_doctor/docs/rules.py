"""The rule reference: one page a check, and an index with all fixes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.app.docstring import dedented
from vfio_doctor.docs.page import CODE, facts, fix_facts, read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vfio_doctor.api import Check, Fix
    from vfio_doctor.diagnosis.registry import Registry

MADE = "Made from the code by `scripts/documents --write`."


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
    page = read(check.__doc__)
    lines = [f"# {check.id}: {check.title}", "", page.summary, ""]
    lines += [
        f"- {name}: {_linked(name, value)}" for name, value in facts(check, registry)
    ]
    for heading, body in page.sections:
        lines += ["", f"## {heading.rstrip(':')}", "", *_fenced(body)]
    if example:
        lines += ["", "## Example", "", "```text", *example.splitlines(), "```"]
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
    lines = [
        "# Rules",
        "",
        MADE,
    ]
    lines += [
        "",
        "## Checks",
        "",
        "| Check | Severity | Title |",
        "| --- | --- | --- |",
    ]
    for check in registry.checks:
        link = f"[{check.id}](rules/{check.id}.md)"
        lines.append(f"| {link} | {check.severity.word} | {check.title} |")
    lines += ["", "## Fixes", ""]
    for fix in registry.fixes:
        lines += _fix(fix)
    return "\n".join([*lines, "## Checks and fixes", "", *_matrix(registry), ""])


def _fix(fix: type[Fix]) -> list[str]:
    lines = [f"### {fix.id}", "", f"{fix.summary.rstrip('.')}.", ""]
    lines += [f"- {name}: {value}" for name, value in fix_facts(fix)]
    return [*lines, "", *dedented(fix.__doc__), ""]


def _matrix(registry: Registry) -> list[str]:
    rows = []
    for check in registry.checks:
        fixes = registry.fixes_for(check.id)
        by_kind = {
            kind: ", ".join(f.id for f in fixes if f.applicability.value == kind)
            for kind in ("safe", "risky", "manual")
        }
        rows.append(f"| {check.id} | {' | '.join(by_kind.values())} |")
    head = "| Check | Safe | Risky | By hand |"
    return [head, "| --- | --- | --- | --- |", *rows]
