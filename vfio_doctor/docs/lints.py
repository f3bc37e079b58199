"""The reference of lints: every page, one below the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.docs.page import word_of
from vfio_doctor.docs.rules import MADE
from vfio_doctor.language import is_english, spoken
from vfio_doctor.lints import every
from vfio_doctor.lints.example import EXAMPLE, as_it_should_be, with_fault
from vfio_doctor.messages import say
from vfio_doctor.report.vm_page import (
    CURE,
    FALSE,
    RIGHT,
    WRONG,
    lines,
    paragraphs,
    title_of,
)
from vfio_doctor.report.wrap import wrap

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.lints.lint import Lint

TITLE = say("lints-title", "Lints of `vfio-doctor vm`")
HOW = say(
    "lints-how",
    "How to use them, and what the formats hold: {page}. Each example is a part of\n"
    "the definition at the end of this page, with one thing wrong.",
)
THE_EXAMPLE = say("lints-the-example", "The example")
HEAD = say(
    "lints-head", "| lint | severity | asks the host | forms beside XML | says |"
)
KNOWN = say("lints-known", "**{title}.** Severity: {word}")
NUMBER = say("lints-number", "number {number}")
OF_THE_HOST = say("lints-of-the-host", "of the host: {rule}")
WITHOUT = say("lints-without", "<!-- without these lines -->")


def lint_reference(rules: str = "rules") -> str:
    """Return the page; ``rules`` is the folder of the rules' pages, as seen from it."""
    parts = [f"# {TITLE}", "", str(MADE), ""]
    parts += [str(HOW.filled(page="[vm.md](vm.md)")), "", *_table()]
    for lint in every():
        parts += _page(lint, rules)
    parts += ["", f"## {THE_EXAMPLE}", "", "```xml", EXAMPLE.rstrip("\n"), "```", ""]
    return "\n".join(parts)


def _table() -> Iterator[str]:
    yield str(HEAD)
    yield "| --- | --- | --- | --- | --- |"
    for lint in every():
        asks = word_of("yes") if lint.reads_host else ""
        link = f"[{lint.id}](#{lint.id})"
        forms = ", ".join(form.value for form in lint.forms[1:])
        says, word = _escaped(title_of(lint)), word_of(lint.severity.word)
        yield f"| {link} | {word} | {asks} | {forms} | {says} |"


def _page(lint: type[Lint], rules: str) -> Iterator[str]:
    yield from ("", f"## {lint.id}", "")
    word = word_of(lint.severity.word)
    known = [str(KNOWN.filled(title=title_of(lint), word=word))]
    if lint.number[0] == "X":
        known.append(str(NUMBER.filled(number=lint.number)))
    if lint.rule:
        rule = f"[{lint.rule}]({rules}/{lint.rule}.md)"
        known.append(str(OF_THE_HOST.filled(rule=rule)))
    yield f"{'; '.join(known)}."
    for part in paragraphs(lint):
        yield ""
        yield from _paragraph(lint, part)
    yield from _examples(lint)


def _paragraph(lint: type[Lint], part: str) -> list[str]:
    if not is_english():
        return [_escaped(spoken(f"{lint.id}.page", part))]
    for heading in (CURE, FALSE):
        if part.startswith(heading):
            part = f"*{heading}* {part.removeprefix(heading).strip()}"
    return wrap(_escaped(part), 88)


def _examples(lint: type[Lint]) -> Iterator[str]:
    if not lint.right:
        return
    wrong, right = with_fault(lint), as_it_should_be(lint)
    for word, own in ((WRONG, lines(wrong, right)), (RIGHT, lines(right, wrong))):
        yield from ("", str(word), "", "```xml")
        yield from own or [str(WITHOUT)]
        yield "```"


def _escaped(text: str) -> str:
    """Return text in which Markdown takes no word for an element."""
    return text.replace("<", "\\<").replace("|", "\\|")
