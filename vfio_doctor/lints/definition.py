"""One domain as the lints see it: what passthrough depends on, taken out once."""

from __future__ import annotations

from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING

from vfio_doctor.lints import arguments
from vfio_doctor.parse.domain import amount, holders
from vfio_doctor.parse.domain_numbers import kib, number
from vfio_doctor.parse.pci import is_address
from vfio_doctor.parse.qemu_options import passed_address
from vfio_doctor.parse.vm_form import Form
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.lints.arguments import Argument
    from vfio_doctor.parse.xml_tree import Element

KVMFR = "/dev/kvmfr"
# More than any machine has places for.
MOST = 256
IVSHMEM = ("ivshmem-plain", "ivshmem-doorbell")


class Hostdev(NamedTuple):
    """A PCI function that the VM gets; ``guest`` is its address in the VM.

    ``source`` is the element that holds the host's address.
    """

    element: Element
    source: Element
    address: str
    managed: bool
    guest: tuple[int, int, int, int] | None

    @property
    def slot(self) -> str:
        """Return the host's address without the function."""
        return self.address.rpartition(".")[0]

    def has(self, bdf: str) -> bool:
        """Tell whether it is a function, or of the slot if a whole one is passed."""
        if self.element.get("whole"):
            return bdf.rpartition(".")[0] == self.slot
        return bdf == self.address


class Shared(NamedTuple):
    """Memory that host and guest share: ``<shmem>``, or an object of QEMU's.

    ``size`` is in bytes, None if it is not said or not a number.
    """

    element: Element
    path: str
    size: int | None
    argument: Argument | None = None

    @property
    def is_kvmfr(self) -> bool:
        """Tell whether it is a device of the kvmfr module's."""
        number = self.path.removeprefix(KVMFR)
        return number != self.path and number.isdigit()


class Definition:
    """A domain, its source text and what was taken out of it."""

    def __init__(
        self, domain: Element, path: str = "", form: Form | None = None
    ) -> None:
        """Take a ``<domain>``, the path it was read from, and its form if not XML."""
        self.domain = domain
        self.path = path
        self.form = form or Form.LIBVIRT

    @property
    def is_xml(self) -> bool:
        """Tell whether it is written for libvirt."""
        return self.form is Form.LIBVIRT

    def gets(self, bdf: str) -> bool:
        """Tell whether the VM gets a function."""
        return any(one.has(bdf) for one in self.hostdevs)

    @cached_property
    def name(self) -> str:
        """Return the VM's name, "" if it has none."""
        return self.domain.said("name")

    @cached_property
    def hostdevs(self) -> tuple[Hostdev, ...]:
        """Return the PCI functions that it gets, those of SR-IOV and NVMe included."""
        return tuple(islice(self._hostdevs(), MOST))

    def _hostdevs(self) -> Iterator[Hostdev]:
        for holder in holders(self.domain):
            yield Hostdev(*holder, place_in_guest(holder.element))
        # Old guides hand cards to QEMU past libvirt; other forms have them above.
        for one in self.arguments if self.is_xml else ():
            address = passed_address(one.values)
            is_passed = one.option == "device" and one.kind.startswith("vfio-pci")
            if is_passed and is_address(address):
                yield Hostdev(one.element, one.element, address, False, None)

    @cached_property
    def devices(self) -> tuple[Element, ...]:
        """Return all children of ``<devices>``."""
        return tuple(c for d in self.domain.all("devices") for c in d.children)

    @cached_property
    def arguments(self) -> tuple[Argument, ...]:
        """Return what is handed to QEMU as it is, option by option."""
        found = self.domain.all("qemu:commandline")
        return tuple(a for line in found for a in arguments.read(line))

    @cached_property
    def broken(self) -> tuple[Argument, ...]:
        """Return the devices and objects that are JSON which nobody can read."""
        return tuple(
            a
            for a in self.arguments
            if a.json and not a.values and a.option in ("device", "object")
        )

    def has_broken(self, option: str) -> bool:
        """Tell whether what an option says is not known."""
        lines = self.domain.all("qemu:commandline") if self.is_xml else ()
        loose = any(arguments.loose(line) for line in lines)
        return loose or any(a.option == option for a in self.broken)

    @cached_property
    def objects(self) -> tuple[Argument, ...]:
        """Return the memory objects among the arguments."""
        return tuple(
            a
            for a in self.arguments
            if a.option == "object" and a.kind.startswith("memory-backend-")
        )

    @cached_property
    def ivshmem(self) -> tuple[Argument, ...]:
        """Return the shared-memory devices among the arguments."""
        wanted = ("device",)
        return tuple(
            a for a in self.arguments if a.option in wanted and a.kind in IVSHMEM
        )

    @cached_property
    def shared(self) -> tuple[Shared, ...]:
        """Return all memory that host and guest share."""
        return tuple(self._shared())

    def _shared(self) -> Iterator[Shared]:
        for one in self.devices:
            if one.tag == "shmem":
                size = one.first("size")
                path = f"/dev/shm/{one.get('name')}"
                said = kib(size.text, size.get("unit") or "B") if size else None
                held = None if said is None else said * 1024
                yield Shared(one, path, held)
        for argument in self.objects:
            if argument.kind == "memory-backend-file":
                path = str(argument.values.get("mem-path", ""))
                yield Shared(argument.element, path, argument.bytes("size"), argument)

    @cached_property
    def kvmfr(self) -> tuple[Shared, ...]:
        """Return the shared memory that is a device of kvmfr's."""
        return tuple(one for one in self.shared if one.is_kvmfr)

    @property
    def passes(self) -> bool:
        """Tell whether it gets a PCI function of the host."""
        return bool(self.hostdevs)

    @cached_property
    def looking_glass(self) -> tuple[Shared, ...]:
        """Return the memory that Looking Glass uses."""
        return tuple(
            one for one in self.shared if one.is_kvmfr or "looking-glass" in one.path
        )

    @cached_property
    def memory_kib(self) -> int:
        """Return the memory of the VM in KiB, 0 if it is not said."""
        return amount(self.domain.first("memory"))


def place_in_guest(device: Element) -> tuple[int, int, int, int] | None:
    """Return a device's PCI address in the VM, None if it has none yet."""
    own = device.first("address")
    if own is None or own.get("type") != "pci" or not own.get("slot"):
        return None
    try:
        domain, bus, slot, function = (
            number(own.get(name, "0")) for name in ("domain", "bus", "slot", "function")
        )
    except ValueError:
        return None
    return domain, bus, slot, function


def has_uefi(domain: Element) -> bool:
    """Tell whether the VM boots with UEFI."""
    own = domain.first("os")
    if own is None:
        return False
    return own.get("firmware") == "efi" or any(
        one.get("type") == "pflash" or "ovmf" in one.text.lower()
        for one in own.all("loader")
    )
