"""Read the words of a plain diagnosis without click, which is half of such a run.

What is not surely one of the words below is click's: commands, repairs, help, errors,
completion, another language. tests/cli/test_plain.py holds that click would have
chosen the same.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from vfio_doctor.app.chosen import (
    AREAS,
    COLOURS,
    COMPLETE,
    FORMATS,
    SEVERITIES,
    Chosen,
)
from vfio_doctor.language import ENGLISH, of_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

FLAGS: dict[str, tuple[str, object]] = {
    "--debug": ("debug", True),
    "--plugins": ("plugins", True),
    "--redact": ("redact", True),
    "--no-redact": ("redact", False),
    "-q": ("verbosity", -1),
    "--quiet": ("verbosity", -1),
    "-v": ("verbosity", 1),
    "--verbose": ("verbosity", 1),
    "-vv": ("verbosity", 2),
}
# What each takes; nothing: any word.
VALUES: dict[str, tuple[str, tuple[str, ...]]] = {
    "--user": ("user", ()),
    "--select": ("select", ()),
    "--skip": ("skip", ()),
    "--with": ("areas", AREAS),
    "--format": ("format", FORMATS),
    "-o": ("output", ()),
    "--output": ("output", ()),
    "--fail-on": ("fail_on", SEVERITIES),
    "--capture": ("capture", ()),
    "--color": ("color", COLOURS),
}
LISTS = ("select", "skip", "areas")


def read(words: list[str]) -> Chosen | None:
    """Return what the words say; None if click has to read them."""
    if COMPLETE in os.environ or of_environment(os.environ) != ENGLISH:
        return None
    held: dict[str, object] = {}
    for name, value in _pairs(words):
        # Which of two counts, or whether they contradict each other, click knows.
        if not name or name in held:
            return None
        held[name] = value
    return Chosen(**held)  # type: ignore[arg-type]


def _pairs(words: list[str]) -> Iterator[tuple[str, object]]:
    """Yield fields and their values; one without a name if a word is click's."""
    rest = iter(words)
    for word in rest:
        option, equals, value = word.partition("=")
        if word in FLAGS:
            yield FLAGS[word]
        elif option not in VALUES or (equals and not option.startswith("--")):
            yield "", None
        else:
            name, choices = VALUES[option]
            yield _checked(name, choices, value if equals else next(rest, ""))


def _checked(name: str, choices: tuple[str, ...], value: str) -> tuple[str, object]:
    if not value or (value != "-" and value.startswith("-")):
        return "", None
    if choices and value not in choices:
        return "", None
    if name not in LISTS:
        return name, value
    parts = (value,) if choices else _split(value)
    return name if parts else "", parts


def _split(value: str) -> tuple[str, ...]:
    return tuple(word for word in map(str.strip, value.split(",")) if word)
