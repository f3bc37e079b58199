"""The list that ``vfio-pci.ids`` takes, read as the kernel reads it.

``vfio_pci_fill_ids`` (drivers/vfio/pci/vfio_pci.c) splits at commas, skips what is
empty, and reads ``%x:%x:%x:%x:%x:%x`` from the rest: ids of vendor, device,
subsystem vendor and device, class and class mask. Two are enough.
"""

from __future__ import annotations

import re

from vfio_doctor.value import NamedTuple

ANY = 0xFFFFFFFF
_FIELD = re.compile(r"\s*(?:0[xX])?([0-9a-fA-F]{1,8})")
_LATER = re.compile(f":{_FIELD.pattern}")
_DEFAULTS = (0, 0, ANY, ANY, 0, 0)


class IdPattern(NamedTuple):
    """One entry of the list, as text and as the six numbers it stands for."""

    text: str
    vendor: int
    device: int
    subvendor: int = ANY
    subdevice: int = ANY
    class_: int = 0
    mask: int = 0

    def matches(self, vendor: str, device: str, subsystem: str, class_: str) -> bool:
        """Tell whether the kernel lets vfio-pci claim a function by this entry.

        The ids are hexadecimal, ``subsystem`` is ``vvvv:dddd`` or "".
        """
        subvendor, _, subdevice = subsystem.partition(":")
        wanted = (self.vendor, self.device, self.subvendor, self.subdevice)
        given = (vendor, device, subvendor, subdevice)
        same = all(
            number == ANY or number == int(text or "0", 16)
            for number, text in zip(wanted, given, strict=True)
        )
        return same and not (self.class_ ^ int(class_, 16)) & self.mask


def parse_ids(value: str) -> tuple[tuple[IdPattern, ...], tuple[str, ...]]:
    """Return the entries that the kernel takes, and those that it refuses."""
    taken, refused = [], []
    for item in value.split(","):
        if item:
            found = parse_id(item)
            (refused.append(item) if found is None else taken.append(found))
    return tuple(taken), tuple(refused)


def parse_id(item: str) -> IdPattern | None:
    """Return one entry; None if the kernel calls it an invalid id string.

    What follows the numbers is ignored, as sscanf ignores it: the bus address
    ``01:00.0`` is taken as vendor 0001, device 0000.
    """
    numbers, _ = _read(item)
    if len(numbers) < 2:
        return None
    return IdPattern(item, *numbers, *_DEFAULTS[len(numbers) :])


def unread_part(item: str) -> str:
    """Return what follows the numbers of an entry, which the kernel ignores."""
    return _read(item)[1].strip()


def _read(item: str) -> tuple[list[int], str]:
    """Return the numbers of an entry, and the rest of it."""
    numbers: list[int] = []
    rest, form = item, _FIELD
    while len(numbers) < len(_DEFAULTS) and (found := form.match(rest)):
        numbers.append(int(found.group(1), 16))
        rest, form = rest[found.end() :], _LATER
    return numbers, rest


def is_bus_address(item: str) -> bool:
    """Tell whether an entry is a bus address, which stands for no ids."""
    pattern = r"(?:[0-9a-fA-F]{4,8}:)?[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.[0-7]"
    return re.fullmatch(pattern, item.strip()) is not None
