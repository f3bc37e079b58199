"""Where a finding is: each kind of place is a type of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.value import Variant

if TYPE_CHECKING:
    from typing import Any


class HostPlace(Variant):
    """The host as a whole."""

    def __str__(self) -> str:
        """Return the word that reports use."""
        return "host"


class FilePlace(Variant):
    """A file, or a line of one; ``line`` counts from 1 and is 0 for the whole file."""

    path: str
    line: int = 0

    def __str__(self) -> str:
        """Return ``/etc/udev/rules.d/70-kvmfr.rules:3``."""
        return f"{self.path}:{self.line}" if self.line else self.path


class ArgumentPlace(Variant):
    """A kernel argument as spelt, and what it was read from."""

    argument: str
    source: str

    def __str__(self) -> str:
        """Return the argument alone."""
        return self.argument


class DevicePlace(Variant):
    """A PCI function by its address, ``0000:01:00.0``."""

    address: str

    def __str__(self) -> str:
        """Return the address."""
        return self.address


class GroupPlace(Variant):
    """An IOMMU group by its number."""

    number: int

    def __str__(self) -> str:
        """Return ``IOMMU group 13``."""
        return f"IOMMU group {self.number}"


class ModulePlace(Variant):
    """A kernel module; ``release`` is "" where no one kernel is meant."""

    name: str
    release: str = ""

    def __str__(self) -> str:
        """Return ``kvmfr``, or ``kvmfr of 6.12.5-200.fc41.x86_64``."""
        return f"{self.name} of {self.release}" if self.release else self.name


class NodePlace(Variant):
    """A device node by its path."""

    path: str

    def __str__(self) -> str:
        """Return the path."""
        return self.path


class VmPlace(Variant):
    """An element of a VM's definition; ``line`` and ``column`` count from 1.

    ``path`` is "" where the definition came from no file, ``line`` 0 where the
    VM as a whole is meant.
    """

    vm: str
    path: str = ""
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        """Return ``/etc/libvirt/qemu/win11.xml:42:7``, or the VM's name."""
        if not self.line:
            return self.vm
        return f"{self.path or self.vm}:{self.line}:{self.column}"


Place = (
    HostPlace
    | FilePlace
    | ArgumentPlace
    | DevicePlace
    | GroupPlace
    | ModulePlace
    | NodePlace
    | VmPlace
)

KINDS: dict[str, type[Place]] = {
    "host": HostPlace,
    "file": FilePlace,
    "argument": ArgumentPlace,
    "device": DevicePlace,
    "group": GroupPlace,
    "module": ModulePlace,
    "node": NodePlace,
    "vm": VmPlace,
}


def as_fields(place: Place) -> dict[str, object]:
    """Return a place as plain values: its kind, and the fields of that kind."""
    kind = next(word for word, type_ in KINDS.items() if isinstance(place, type_))
    return {"kind": kind, **place._asdict()}


def from_fields(fields: dict[str, Any]) -> Place:
    """Return the place that `as_fields` made plain."""
    rest = {name: value for name, value in fields.items() if name != "kind"}
    return KINDS[fields["kind"]](**rest)
