"""What a VM shares with its host: files that QEMU maps, and what goes with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element

COMMAND_LINE = "{http://libvirt.org/schemas/domain/qemu/1.0}commandline"
ARGUMENT = "{http://libvirt.org/schemas/domain/qemu/1.0}arg"
LONGEST = 4096
_SHIFTS = {"": 0, "b": 0, "k": 10, "m": 20, "g": 30, "t": 40}
_SAID = {"on": True, "yes": True, "true": True, "off": False, "no": False}


class Mapping(NamedTuple):
    """A file that QEMU maps for a guest; ``size`` is in bytes, 0 if it is no size.

    ``share`` is None where the argument does not say it; QEMU then maps privately.
    """

    path: str
    size: int
    share: bool | None


class SharedMemory(NamedTuple):
    """What a definition says of memory that host and guest share.

    ``shmem`` are names of ``<shmem>`` devices, whose file lies in ``/dev/shm``.
    ``unconfined`` are the security drivers that the VM is taken out of; "" is all.
    ``labelled``: it asks to be confined, whatever the default is.
    """

    mapped: tuple[Mapping, ...] = ()
    shmem: tuple[str, ...] = ()
    virtiofs: bool = False
    unconfined: tuple[str, ...] = ()
    labelled: bool = False

    def is_unconfined(self, driver: str) -> bool:
        """Tell whether the VM runs without what this security driver does."""
        return "" in self.unconfined or driver in self.unconfined


def shared_memory(domain: Element) -> SharedMemory:
    """Return what a ``<domain>`` says; what it says wrongly counts as not said."""
    values = [
        value
        for line in domain.findall(COMMAND_LINE)
        for argument in line.findall(ARGUMENT)
        if (value := argument.get("value", ""))
    ]
    shmem = (one.get("name") for one in domain.findall("devices/shmem"))
    return SharedMemory(
        tuple(_mappings(values)),
        tuple(name for name in shmem if name),
        any(
            driver.get("type") == "virtiofs"
            for driver in domain.findall("devices/filesystem/driver")
        ),
        tuple(
            label.get("model") or ""
            for label in domain.findall("seclabel")
            if label.get("type") == "none"
        ),
        any(label.get("type") != "none" for label in domain.findall("seclabel")),
    )


def _mappings(values: list[str]) -> Iterator[Mapping]:
    for before, value in zip(["", *values], values, strict=False):
        if before in ("-object", "--object"):
            found = mapping(value)
            if found:
                yield found


def mapping(argument: str) -> Mapping | None:
    """Return what an argument of ``-object`` maps; None if it maps no file."""
    if len(argument) > LONGEST:
        return None
    fields = json_fields(argument) if argument.startswith("{") else _fields(argument)
    if fields is None or fields.get("qom-type") != "memory-backend-file":
        return None
    path, size, share = (fields.get(key) for key in ("mem-path", "size", "share"))
    if not isinstance(path, str):
        return None
    if argument.startswith("{"):
        number = size if isinstance(size, int) and not isinstance(size, bool) else 0
        return Mapping(path, number, share if isinstance(share, bool) else None)
    return Mapping(path, _size(str(size or "")), _SAID.get(str(share or "").lower()))


def json_fields(text: str) -> dict[str, object] | None:
    """Return an object as QEMU reads it, in either kind of quotes; None if not one."""
    from json import loads

    for spelt in (text, text.translate(str.maketrans("'\"", "\"'"))):
        try:
            found = loads(spelt)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            return found
    return None


def _fields(text: str) -> dict[str, object]:
    kind, _, rest = text.partition(",")
    pairs = (part.partition("=") for part in rest.split(","))
    fields: dict[str, object] = {key: value for key, _, value in pairs}
    return {"qom-type": kind.removeprefix("qom-type="), **fields}


def _size(text: str) -> int:
    """Return bytes; QEMU takes MiB for a size without a unit."""
    number = text.rstrip("bBkKmMgGtT")
    unit = text[len(number) :].lower() or "m"
    if not (number.isascii() and number.isdigit() and unit in _SHIFTS):
        return 0
    return int(number[:12]) << _SHIFTS[unit]
