"""Arguments that a definition hands to QEMU: plain ones, and JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.parse.qemu_options import HEADS, fields, in_bytes, is_json, is_on
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from vfio_doctor.parse.xml_tree import Element

# Options without their dash, and what makes a value one of memory or of a device.
NAMES = ("device", "object")
MADE = ("ivshmem", "memory-backend", "vfio-pci", "input-linux")


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


def loose(line: Element) -> list[Element]:
    """Return the values of a ``<qemu:commandline>`` that no option stands before.

    One that stands in one element with its option is among them. Only what memory and
    devices are made of is looked for: other words are nobody's matter here.
    """
    found, waits = [], False
    for one in line.all("qemu:arg"):
        text = one.get("value")
        is_option = text.startswith("-")
        if not waits and (not is_option or " " in text.strip()) and _is_ours(text):
            found.append(one)
        waits = is_option
    return found


def _is_ours(text: str) -> bool:
    bare = text.strip()
    return bare in NAMES or bare.startswith("{") or any(word in bare for word in MADE)


def _argument(element: Element, option: str, text: str) -> Argument:
    return Argument(element, option, fields(option, text), is_json(text))
