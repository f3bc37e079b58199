"""The values that options take, and what was chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import click

# Also for those who look for it here.
from vfio_doctor.app.chosen import Chosen as Chosen
from vfio_doctor.app.docstring import dedented
from vfio_doctor.app.repair_options import refuse_nonsense
from vfio_doctor.messages import say

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.shell_completion import CompletionItem


NO_IDS = say("usage-no-ids", "name a check or an area; see `vfio-doctor checks`.")
CONTRADICT = say("usage-quiet-verbose", "--quiet and --verbose contradict each other.")
NO_DEVICE = say(
    "usage-no-device",
    "{value} is neither an address such as 0000:01:00.0 nor a pair of ids such as "
    "10de:1b80.",
)
SEE_CHECKS = say("usage-see-checks", "See `vfio-doctor checks`.")
MEANT = say("usage-meant", "Did you mean {names}?")

F = TypeVar("F", bound="Callable[..., object]")


def with_examples(function: F) -> F:
    """Have click print the lines below ``Examples:`` as they are written."""
    lines = dedented(function.__doc__)
    marked = ("\b\nExamples:" if line == "Examples:" else line for line in lines)
    function.__doc__ = "\n".join(marked)
    return function


# Before click 8.4 the base took no parameter.
class CheckNames(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """Check ids and areas, separated by commas."""

    name = "ids"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Return the words; which ones exist is known once the rules are loaded."""
        if isinstance(value, tuple):
            return value
        words = [word.strip() for word in str(value).split(",")]
        if not any(words):
            self.fail(str(NO_IDS), param, ctx)
        return tuple(word for word in words if word)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Complete the word behind the last comma."""
        from click.shell_completion import CompletionItem

        head, comma, word = incomplete.rpartition(",")
        return [
            CompletionItem(f"{head}{comma}{name}")
            for name in known_names()
            if name.startswith(word)
        ]


class DeviceName(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """A PCI address, with or without its domain, or ``vendor:device``."""

    name = "device"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """Return the word in lower case; refuse what is neither."""
        import re

        word = str(value).strip().lower()
        address = r"([0-9a-f]{4,8}:)?[0-9a-f]{2}:[01][0-9a-f]\.[0-7]"
        if not re.fullmatch(rf"{address}|[0-9a-f]{{4}}:[0-9a-f]{{4}}", word):
            self.fail(
                str(NO_DEVICE.filled(value=repr(value))),
                param,
                ctx,
            )
        return word


def known_names() -> list[str]:
    """Return every check id, and every area that holds more than one."""
    from vfio_doctor.diagnosis.registry import load

    ids = [check.id for check in load().checks]
    areas = [check_id.partition("-")[0] for check_id in ids]
    return sorted({*ids, *(area for area in areas if areas.count(area) > 1)})


def chosen_of(
    options: dict[str, object], given: frozenset[str] = frozenset()
) -> Chosen:
    """Return the choice from click's values; raise UsageError for nonsense.

    ``given`` are the options that the person named.
    """
    quiet, verbose = options.get("quiet"), options.get("verbose", 0)
    if quiet and verbose:
        raise click.UsageError(str(CONTRADICT))
    if "fix" in options:
        refuse_nonsense(options, given)
    known = {
        name: value
        for name, value in options.items()
        if name in Chosen._fields and value is not None
    }
    known["format"] = options.get("format_", "text")
    known["verbosity"] = -1 if quiet else verbose
    return Chosen(**known)  # type: ignore[arg-type]
