"""Say something to the person: an English template, and data that fills it.

A sentence is said once, here is how: `say` with an id that stays, a template with
``{name}`` fields, and one value a field. Values are data (numbers, paths, names,
words of a command), or messages of their own where one sentence gives another as
its reason; they are never English. A catalogue translates by id, so the English
may be bettered at any time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.model import Actor, Evidence, Finding, Message, Severity
from vfio_doctor.places import FilePlace, HostPlace, ModulePlace, NodePlace

if TYPE_CHECKING:
    from vfio_doctor.model import Value
    from vfio_doctor.places import Place


def say(name: str, template: str, /, **values: Value) -> Message:
    """Return a message; ``name`` is its id, unique in the whole program."""
    return Message(name, template, tuple(values.items()))


def verbatim(text: str) -> Message:
    """Return a message for text that has its language already: a tool's own words."""
    return say("verbatim", "{text}", text=text)


def in_order(*parts: Message | None) -> Message:
    """Return sentences one after the other; None is left out."""
    said = tuple(part for part in parts if part is not None)
    if len(said) == 1:
        return said[0]
    first, *rest = said
    return say("in-order", "{first} {rest}", first=first, rest=in_order(*rest))


def old_finding(
    subject: str,
    template: str,
    params: tuple[tuple[str, str], ...] = (),
    evidence: tuple[Evidence, ...] = (),
    severity: Severity | None = None,
    advice: str = "",
    who_acts: Actor = Actor.USER,
) -> Finding:
    """Return a finding as rules spelt it before places and messages were typed."""
    place: Place = HostPlace() if subject == "host" else ModulePlace(subject)
    if subject.startswith("/dev/"):
        place = NodePlace(subject)
    elif subject.startswith("/"):
        path, _, line = subject.rpartition(":")
        place = FilePlace(path, int(line)) if line.isdigit() else FilePlace(subject)
    return Finding(
        place,
        Message("", template, params),
        evidence,
        severity,
        verbatim(advice) if advice else None,
        who_acts,
    )
