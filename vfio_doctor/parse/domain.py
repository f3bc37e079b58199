"""What passthrough needs of libvirt's domain XML: a view on the elements."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.parse.domain_memory import SharedMemory, shared_memory
from vfio_doctor.parse.domain_numbers import kib, number, number_sets
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from vfio_doctor.parse.xml_tree import Document, Element, Refused

# Parts of ``<devices>`` that can hold a PCI function of the host.
_HOLDERS = ("hostdev", "interface", "disk")
_TYPES = ("pci", "hostdev", "nvme")
# libvirt takes a page of this size for none of the huge ones.
ORDINARY_KIB = 4


class VmFunction(NamedTuple):
    """A PCI function that a VM gets; ``managed``: libvirt binds it by itself."""

    address: str
    managed: bool


class Domain(NamedTuple):
    """One VM. ``page_kib`` is the size of its huge pages.

    It is None if it asks for none, 0 if it takes the host's default size.
    ``limit_kib`` is all that QEMU may lock, 0 if that is libvirt's to say.
    """

    name: str
    functions: tuple[VmFunction, ...] = ()
    memory_kib: int = 0
    page_kib: int | None = None
    shared: SharedMemory = SharedMemory()
    emulator: str = ""
    limit_kib: int = 0


def domain_of(document: Document | Refused) -> Domain | None:
    """Return what a definition says; None if it is none, or was not read."""
    from vfio_doctor.parse.xml_tree import Refused

    if isinstance(document, Refused) or document.root.tag != "domain":
        return None
    root = document.root
    return Domain(
        root.said("name"),
        tuple(_functions(root)),
        amount(root.first("memory")),
        _page(root),
        shared_memory(root),
        root.said("devices/emulator"),
        amount(root.first("memtune/hard_limit")),
    )


def amount(element: Element | None) -> int:
    """Return the memory that an element names, in KiB; 0 if it names none."""
    return kib(element.text, element.get("unit")) if element else 0


def _functions(root: Element) -> Iterator[VmFunction]:
    for holder in holders(root):
        yield VmFunction(holder.address, holder.managed)


class Holder(NamedTuple):
    """An element that holds a PCI function of the host, and that function.

    ``source`` is the element with the host's address.
    """

    element: Element
    source: Element
    address: str
    managed: bool


def holders(root: Element) -> Iterator[Holder]:
    """Yield what a ``<domain>`` passes: devices, those of SR-IOV and NVMe included."""
    for one in root.all("devices/*"):
        if one.tag not in _HOLDERS or one.get("type") not in _TYPES:
            continue
        source, held = one.first("source"), one.first("source/address")
        address = pci_address(held.attributes) if held else ""
        if source is None or held is None or not address:
            continue
        said = one.get("managed") or source.get("managed")
        yield Holder(one, held, address, said == "yes")


def pci_address(attributes: Mapping[str, str]) -> str:
    """Return the address as sysfs spells it, "" if a part is no number."""
    try:
        domain, bus, slot, function = (
            number(attributes.get(name, "0"))
            for name in ("domain", "bus", "slot", "function")
        )
    except ValueError:
        return ""
    if domain < 0 or not (0 <= bus < 256 and 0 <= slot < 32 and 0 <= function < 8):
        return ""
    return f"{domain:04x}:{bus:02x}:{slot:02x}.{function}"


def _page(root: Element) -> int | None:
    return next((size for size, _ in huge_pages(root)), None)


def huge_pages(root: Element) -> tuple[tuple[int, int], ...]:
    """Return each size of page that a guest asks for, 0 for the host's default.

    With it goes how much memory it takes, in KiB. A guest whose NUMA cells have pages
    of their own asks for several; one of the host's ordinary pages asks for none.
    """
    asked = root.first("memoryBacking/hugepages")
    if asked is None:
        return ()
    whole = amount(root.first("memory"))
    cells = {
        one.get("id") or str(at): kib(one.get("memory"), one.get("unit"))
        for at, one in enumerate(root.all("cpu/numa/cell"))
    } or {"0": whole}
    pages = list(asked.all("page"))
    needs: dict[int, int] = {}
    pages.sort(key=lambda page: not page.get("nodeset"))
    nodes = number_sets(page.get("nodeset") for page in pages)
    for page, named in zip(pages, nodes, strict=True):
        size = kib(page.get("size"), page.get("unit"))
        own = named if page.get("nodeset") else cells
        taken = sum(cells.pop(cell, 0) for cell in tuple(own))
        needs[size] = needs.get(size, 0) + taken
    if not pages:
        needs[0] = whole
    return tuple(
        (size, need) for size, need in needs.items() if need and size != ORDINARY_KIB
    )


def pins_of(
    domain: Element, path: str = "cputune/vcpupin"
) -> list[tuple[Element, tuple[str, ...]]]:
    """Return each ``<vcpupin>`` with the host's processors that it names."""
    held = list(domain.all(path))
    return list(zip(held, number_sets(pin.get("cpuset") for pin in held), strict=True))
