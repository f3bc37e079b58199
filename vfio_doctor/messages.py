"""Say something to the person: an English template, and data that fills it.

A sentence is said once, here is how: `say` with an id that stays, a template with
``{name}`` fields, and one value a field. Values are data (numbers, paths, names,
words of a command), or messages of their own where one sentence gives another as
its reason; they are never English. A catalogue translates by id, so the English
may be bettered at any time.
"""

from __future__ import annotations

from vfio_doctor.language import closed_up, listed, spoken
from vfio_doctor.shell_words import in_commands, shell_quoted
from vfio_doctor.value import NamedTuple


class Message(NamedTuple):
    """Something said to a person: a template, and the data that fills it.

    ``id`` stays the same while the English is bettered; ``template`` has
    ``{name}`` fields. `say` makes one.
    """

    id: str
    template: str
    params: tuple[tuple[str, Value], ...] = ()

    def filled(self, **values: Value) -> Message:
        """Return the same message with these values."""
        return Message(self.id, self.template, tuple(values.items()))

    def __str__(self) -> str:
        """Return the sentence as it is spoken; what a value holds is not read again."""
        template = spoken(self.id, self.template)
        parts = template.split("{")
        if len(parts) == 1:
            return template
        values = dict(self.params)
        commands = tuple(in_commands(parts)) if "`" in template else ()
        for at, part in enumerate(parts[1:], 1):
            name, closed, rest = part.partition("}")
            if not closed or name not in values:
                parts[at] = f"{{{part}"
                continue
            text = shown(values[name])
            if commands and commands[at - 1]:
                text = shell_quoted(text)
            parts[at - 1], parts[at] = closed_up(parts[at - 1], text, rest)
        return "".join(parts)


# A tuple is a list of things, shown as "a, b and c".
Value = str | int | Message | tuple[str | Message, ...]


def shown(value: Value) -> str:
    """Return a value as text."""
    if isinstance(value, tuple) and not isinstance(value, Message):
        *most, last = [str(item) for item in value] or [""]
        return listed(most, last) if most else last
    return str(value)


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
