"""Where a finding is: each kind of place is a type of its own."""

from __future__ import annotations

from vfio_doctor.value import NamedTuple


class HostPlace(NamedTuple):
    """The host as a whole."""

    def __str__(self) -> str:
        """Return the word that reports use."""
        return "host"


class FilePlace(NamedTuple):
    """A file, or a line of one; ``line`` counts from 1 and is 0 for the whole file."""

    path: str
    line: int = 0

    def __str__(self) -> str:
        """Return ``/etc/udev/rules.d/70-kvmfr.rules:3``."""
        return f"{self.path}:{self.line}" if self.line else self.path


class ArgumentPlace(NamedTuple):
    """A kernel argument as spelt, and what it was read from."""

    argument: str
    source: str

    def __str__(self) -> str:
        """Return the argument alone."""
        return self.argument


class DevicePlace(NamedTuple):
    """A PCI function by its address, ``0000:01:00.0``."""

    address: str

    def __str__(self) -> str:
        """Return the address."""
        return self.address


class GroupPlace(NamedTuple):
    """An IOMMU group by its number."""

    number: int

    def __str__(self) -> str:
        """Return ``IOMMU group 13``."""
        return f"IOMMU group {self.number}"


class ModulePlace(NamedTuple):
    """A kernel module; ``release`` is "" where no one kernel is meant."""

    name: str
    release: str = ""

    def __str__(self) -> str:
        """Return ``kvmfr``, or ``kvmfr of 6.12.5-200.fc41.x86_64``."""
        return f"{self.name} of {self.release}" if self.release else self.name


class NodePlace(NamedTuple):
    """A device node by its path."""

    path: str

    def __str__(self) -> str:
        """Return the path."""
        return self.path


class VmPlace(NamedTuple):
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
