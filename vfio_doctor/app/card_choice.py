"""The choice of a card at a terminal: what may be given away, a number each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vfio_doctor.app.failure import Failure
from vfio_doctor.messages import say
from vfio_doctor.report.untrusted import clean

if TYPE_CHECKING:
    from vfio_doctor.app.chosen import Chosen
    from vfio_doctor.app.place import Place
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.facts.pci.table import DeviceRow
    from vfio_doctor.model import Message

CHOICE = say("setup-choice", "{devices}: {what} ({verdict})")
CHOICES = say("setup-choices", "What may be given to a VM, a number each:")
WHICH = say(
    "setup-which", "Which one (a number; Ctrl-C leaves, and nothing is changed yet)"
)
KEPT = say("setup-kept", "What has to stay with the host:")
NONE_FREE = say("setup-none-free", "no device here can be given to a VM, see above")
NAME_ONE = say(
    "setup-name-one",
    "Name the device: --device 0000:01:00.0, or its ids. `vfio-doctor devices` lists "
    "what may be given away.",
)
NO_GROUPS = say(
    "setup-no-groups",
    "The IOMMU is off, so nothing can be given away yet. `vfio-doctor` says why, and "
    "what to do; or name the device (--device), which is bound along with it if that "
    "is safe.",
)
NOT_LISTED = say(
    "setup-not-listed", "{word} is not in the list: a number from 1 to {most}, please."
)


class Listed(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """A card of the list, by its number or by the address of one of its functions."""

    name = "card"

    def __init__(self, free: list[list[DeviceRow]]) -> None:
        """Take the cards in their order."""
        self.free = free

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> list[DeviceRow]:
        """Return the card's functions; refuse what is not in the list."""
        word = str(value).strip()
        named = (
            rows
            for number, rows in enumerate(self.free, 1)
            if word in (str(number), *(row.device.bdf for row in rows))
        )
        found = next(named, None)
        if found is None:
            told = NOT_LISTED.filled(word=clean(word), most=len(self.free))
            self.fail(str(told), param, ctx)
        return found


def chosen_of(chosen: Chosen, place: Place) -> tuple[str, ...]:
    """Show what may be given away and what not, and ask. Raises UsageError."""
    from vfio_doctor.app.place import answered
    from vfio_doctor.app.program import called

    if not place.is_terminal():
        raise click.UsageError(called(chosen).pasted(str(NAME_ONE)))
    cards = _cards(place.look(chosen).facts)
    if all(row.device.group is None for rows in cards for row in rows):
        raise Failure(str(NO_GROUPS), 1)
    free = [rows for rows in cards if all(r.verdict.free is not False for r in rows)]
    click.echo(str(CHOICES), err=True)
    for number, rows in enumerate(free, 1):
        _tell(_line(rows, _free(rows)), f"{number:>3}. ")
    click.echo(str(KEPT), err=True)
    for rows in cards:
        if rows not in free:
            held = next(r for r in rows if r.verdict.free is False)
            _tell(_line(rows, held.verdict.words), " " * 5)
    if not free:
        raise Failure(str(NONE_FREE), 1)
    with answered():
        rows = click.prompt(str(WHICH), type=Listed(free), err=True)
    return tuple(row.device.bdf for row in rows)


def _free(rows: list[DeviceRow]) -> Message:
    """Return why a card is free; its own functions go with it anyway."""
    from vfio_doctor.facts.pci.verdict import FREE, TOGETHER

    words, own = rows[0].verdict.words, {row.device.bdf for row in rows}
    others = dict(words.params).get("others", ())
    alone = isinstance(others, tuple) and own.issuperset(map(str, others))
    return FREE if words.id == TOGETHER.id and alone else words


def _tell(line: str, first: str) -> None:
    """Show one of the cards; what does not fit is indented below it."""
    from vfio_doctor.app.repair_machine import on_stderr

    for each in on_stderr(line, first, " " * 7):
        click.echo(each, err=True)


def _cards(facts: Facts) -> list[list[DeviceRow]]:
    """Return the functions that a person would give away, a list for each card."""
    from vfio_doctor.facts.pci.chipset import is_bridge, is_infrastructure
    from vfio_doctor.facts.pci.table import DeviceTable
    from vfio_doctor.parse.pci import slot

    cards: dict[str, list[DeviceRow]] = {}
    for row in facts[DeviceTable].rows:
        if not (is_bridge(row.device) or is_infrastructure(row.device)):
            cards.setdefault(slot(row.device.bdf), []).append(row)
    return list(cards.values())


def _line(rows: list[DeviceRow], verdict: Message) -> str:
    what = rows[0].name or rows[0].kind
    return clean(CHOICE.filled(devices=_named(rows), what=what, verdict=verdict))


def _named(rows: list[DeviceRow]) -> str:
    return " + ".join(row.device.bdf for row in rows)
