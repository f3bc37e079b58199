"""Arguments that a definition hands to QEMU: plain ones, and JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.parse.qemu_options import HEADS, fields, in_bytes, is_json, is_on
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from vfio_doctor.parse.xml_tree import Element


class Argument(NamedTuple):
    """One option and its value; ``values`` are strings where it is not ``json``."""

    element: Element
    option: str
    values: Mapping[str, object]
    json: bool

    @property
    def kind(self) -> str:
        """Return the driver of a device, the type of an object."""
        return str(self.values.get(HEADS.get(self.option, ""), ""))

    @property
    def id(self) -> str:
        """Return its id."""
        return str(self.values.get("id", ""))

    def bytes(self, key: str) -> int | None:
        """Return a size in bytes, None if it is not said or no size."""
        return in_bytes(self.values.get(key))

    def is_on(self, key: str) -> bool:
        """Tell whether a switch is on."""
        return is_on(self.values.get(key))


def read(line: Element) -> Iterator[Argument]:
    """Yield the options of a ``<qemu:commandline>`` that have a value."""
    waiting = ""
    for one in line.all("qemu:arg"):
        text = one.get("value")
        if text.startswith("-"):
            waiting = text.lstrip("-")
        elif waiting:
            yield _argument(one, waiting, text)
            waiting = ""


def _argument(element: Element, option: str, text: str) -> Argument:
    return Argument(element, option, fields(option, text), is_json(text))
