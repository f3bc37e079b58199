"""Say something to the person: an English template, and data that fills it.

A sentence is said once, here is how: `say` with an id that stays, a template with
``{name}`` fields, and one value a field. Values are data (numbers, paths, names,
words of a command), or messages of their own where one sentence gives another as
its reason; they are never English. A catalogue translates by id, so the English
may be bettered at any time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.model import Message

if TYPE_CHECKING:
    from vfio_doctor.model import Value


def say(name: str, template: str, /, **values: Value) -> Message:
    """Return a message; ``name`` is its id, unique in the whole program."""
    return Message(name, template, tuple(values.items()))


def verbatim(text: str) -> Message:
    """Return a message for text that has its language already: a tool's own words."""
    return say("verbatim", "{text}", text=text)


# More parts than these are nested by halves: a host may give a thousand.
FEW = 8


def in_order(*parts: Message | None) -> Message:
    """Return sentences one after the other; None is left out."""
    said = tuple(part for part in parts if part is not None)
    if len(said) == 1:
        return said[0]
    if len(said) > FEW:
        half = len(said) // 2
        said = (in_order(*said[:half]), in_order(*said[half:]))
    first, *rest = said
    return say("in-order", "{first} {rest}", first=first, rest=in_order(*rest))
