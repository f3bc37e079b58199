"""Repairs that ask for nothing new: set for the next boot, or only configured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.base import MissingFact
from vfio_doctor.facts.boot.arguments import BootArguments
from vfio_doctor.host.reader import Missing
from vfio_doctor.messages import say
from vfio_doctor.model import KernelArguments
from vfio_doctor.parse.cmdline import apply
from vfio_doctor.repair.merge import merged_arguments

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.repair.values import PlannedFix

SET = say(
    "fix-staged-already",
    "what it asks for is set already; it takes effect at the next boot",
)
CONFIGURED = say(
    "fix-configured-already",
    "what it asks for is configured already, and nothing shows that the next boot gets"
    " it; see reboot-pending",
)


def following_words(facts: Facts) -> tuple[str, ...] | None:
    """Return what the next boot gets, or runs now if that is not known."""
    try:
        boot = facts[BootArguments]
    except MissingFact:
        return None
    line = boot.now if isinstance(boot.next, Missing) else boot.next
    return tuple(argument.raw for argument in line.arguments)


def only_configured(
    idle: Iterable[PlannedFix], following: tuple[str, ...] | None
) -> list[str]:
    """Return the ids of those whose arguments nothing but the configuration has."""
    return [fix.id for fix in idle if following is not None and _lack(fix, following)]


def _lack(fix: PlannedFix, following: tuple[str, ...]) -> bool:
    wished = [c for c in fix.changes if isinstance(c, KernelArguments)]
    return bool(wished) and apply(following, merged_arguments(wished)) != following
