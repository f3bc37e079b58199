"""The page of a lint: what it means, the two examples, its false alarms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.language import spoken
from vfio_doctor.lints.example import as_it_should_be, with_fault
from vfio_doctor.messages import say
from vfio_doctor.report.style import USUAL
from vfio_doctor.report.wrap import columns, wrap

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.lints.lint import Lint

WRONG, RIGHT = say("vm-page-wrong", "Wrong:"), say("vm-page-right", "Right:")
WITHOUT = say("vm-page-without", "(without these lines)")
NO_EXAMPLE = say(
    "vm-page-no-example",
    "No example: the same definition is right on one host, wrong on another.",
)
CURE, FALSE = "How to put it right:", "False alarms:"


def paragraphs(lint: type[Lint]) -> tuple[str, ...]:
    """Return the docstring's paragraphs, each on one line."""
    text = "\n".join(line.strip() for line in (lint.__doc__ or "").splitlines())
    found = (" ".join(part.split()) for part in text.split("\n\n"))
    return tuple(part for part in found if part)


def title_of(lint: type[Lint]) -> str:
    """Return the title as it is spoken."""
    return spoken(f"{lint.id}.title", lint.title)


def text(lint: type[Lint]) -> str:
    """Return the page for a terminal."""
    title = title_of(lint)
    lines = [title, "=" * columns(title), "", *_facts(lint), ""]
    for part in paragraphs(lint):
        said = spoken(f"{lint.id}.page", part)
        lines += [said if said == part else "\n".join(wrap(said, USUAL)), ""]
    return "\n".join([*lines, *_examples(lint)]).rstrip() + "\n"


def _facts(lint: type[Lint]) -> Iterator[str]:
    yield f"id: {lint.id}"
    yield f"severity: {lint.severity.word}"
    if not lint.number.startswith("+"):
        yield f"number: {lint.number}"
    if lint.rule:
        yield f"of the host: {lint.rule}"


def _examples(lint: type[Lint]) -> Iterator[str]:
    if not lint.right:
        yield str(NO_EXAMPLE)
        return
    yield str(WRONG)
    yield from (f"  {line}" for line in lines(with_fault(lint), as_it_should_be(lint)))
    yield ""
    yield str(RIGHT)
    right = lines(as_it_should_be(lint), with_fault(lint))
    yield from (f"  {line}" for line in right or [str(WITHOUT)])


def lines(one: str, other: str) -> list[str]:
    """Return the lines of one text that the other does not have there."""
    from difflib import SequenceMatcher

    own, theirs = one.splitlines(), other.splitlines()
    found: list[str] = []
    matcher = SequenceMatcher(None, theirs, own, autojunk=False)
    for kind, _, _, start, end in matcher.get_opcodes():
        if kind in ("insert", "replace"):
            found += own[start:end]
    return found
