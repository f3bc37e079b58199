"""The reference of lints: every page, one below the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.docs.rules import MADE
from vfio_doctor.lints import every
from vfio_doctor.lints.example import EXAMPLE, as_it_should_be, with_fault
from vfio_doctor.report.vm_page import CURE, FALSE, lines, paragraphs
from vfio_doctor.report.wrap import wrap

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.lints.lint import Lint

HEAD = """# Lints of `vfio-doctor vm`

{made}

How to use them, and what the formats hold: [vm.md](vm.md). Each example is a part of
the definition at the end of this page, with one thing wrong.
"""


def lint_reference() -> str:
    """Return the page."""
    parts = [HEAD.format(made=MADE), *_table()]
    for lint in every():
        parts += _page(lint)
    parts += ["", "## The example", "", "```xml", EXAMPLE.rstrip("\n"), "```", ""]
    return "\n".join(parts)


def _table() -> Iterator[str]:
    yield "| lint | severity | asks the host | forms beside XML | says |"
    yield "| --- | --- | --- | --- | --- |"
    for lint in every():
        asks = "yes" if lint.reads_host else ""
        link = f"[{lint.id}](#{lint.id})"
        forms = ", ".join(form.value for form in lint.forms[1:])
        says = _escaped(lint.title)
        yield f"| {link} | {lint.severity.word} | {asks} | {forms} | {says} |"


def _page(lint: type[Lint]) -> Iterator[str]:
    yield from ("", f"## {lint.id}", "")
    known = [f"**{lint.title}.** Severity: {lint.severity.word}"]
    known += [f"number {lint.number}"] if lint.number[0] == "X" else []
    if lint.rule:
        known.append(f"of the host: [{lint.rule}](rules/{lint.rule}.md)")
    yield f"{'; '.join(known)}."
    for part in paragraphs(lint):
        yield ""
        for heading in (CURE, FALSE):
            if part.startswith(heading):
                part = f"*{heading}* {part.removeprefix(heading).strip()}"
        yield from wrap(_escaped(part), 88)
    yield from _examples(lint)


def _examples(lint: type[Lint]) -> Iterator[str]:
    if not lint.right:
        return
    wrong, right = with_fault(lint), as_it_should_be(lint)
    for word, own in (("Wrong", lines(wrong, right)), ("Right", lines(right, wrong))):
        yield from ("", f"{word}:", "", "```xml")
        yield from own or ["<!-- without these lines -->"]
        yield "```"


def _escaped(text: str) -> str:
    """Return text in which Markdown takes no word for an element."""
    return text.replace("<", "\\<").replace("|", "\\|")
