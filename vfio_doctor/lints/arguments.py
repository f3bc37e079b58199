"""Arguments that a definition hands to QEMU: plain ones, and JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from vfio_doctor.parse.xml_tree import Element

# What stands without a key at the head of a plain argument.
HEADS = {"object": "qom-type", "device": "driver"}
_UNITS = {"": 1, "b": 1, "k": 10, "m": 20, "g": 30, "t": 40}
_SWAPPED = str.maketrans("'\"", "\"'")


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
        value = self.values.get(key)
        return value is True or str(value).lower() in ("on", "yes", "true", "y")


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
    if text.lstrip().startswith("{"):
        return Argument(element, option, _json(text), True)
    return Argument(element, option, _plain(option, text), False)


def _json(text: str) -> Mapping[str, object]:
    """Return an object of JSON; QEMU takes single quotes too."""
    for attempt in (text, text.translate(_SWAPPED)):
        try:
            held = json.loads(attempt)
        except (ValueError, RecursionError):
            continue
        if isinstance(held, dict):
            return held
    return {}


def _plain(option: str, text: str) -> Mapping[str, object]:
    values: dict[str, object] = {}
    # A doubled comma stands for one (util/qemu-option.c).
    for at, item in enumerate(text.replace(",,", "\0").split(",")):
        key, equals, value = item.replace("\0", ",").partition("=")
        if at == 0 and not equals and option in HEADS:
            values[HEADS[option]] = key
        else:
            values[key] = value if equals else "on"
    return values


def in_bytes(value: object) -> int | None:
    """Return a size as QEMU reads it: a number of bytes, or one with a unit."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    text = str(value or "").strip().lower()
    digits = text.rstrip("bkmgt")
    unit = text[len(digits) :]
    if not (digits.isascii() and digits.isdigit() and unit in _UNITS):
        return None
    return int(digits[:18]) << (_UNITS[unit] if len(unit) and unit != "b" else 0)
