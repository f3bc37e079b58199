"""One lasting change of a run, and what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.model import Message


class Lasting(NamedTuple):
    """What became of one lasting change since its run; ``in_effect`` None: unknown."""

    what: str | Message
    in_effect: bool | None
    why: Message | None = None


def same_value(one: str, other: str) -> bool:
    """Tell whether two texts are the same value to the kernel, booleans included."""
    pair = {one.strip(), other.strip()}
    return len(pair) == 1 or pair in ({"Y", "1"}, {"N", "0"})
