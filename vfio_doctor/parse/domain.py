"""libvirt's domain XML, as far as passthrough is concerned.

The text is a host's, so it is untrusted: a document type, which is where entities
come from, is refused before the parser sees anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.parse.domain_memory import SharedMemory, shared_memory
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from xml.etree.ElementTree import Element

LARGEST = 1 << 18
# libvirt's units (util/virutil.c, virScaleInteger), in KiB as (numerator, divisor).
_UNITS = {
    "b": (1, 1024),
    "bytes": (1, 1024),
    "kb": (1000, 1024),
    "k": (1, 1),
    "kib": (1, 1),
    "mb": (1000**2, 1024),
    "m": (1024, 1),
    "mib": (1024, 1),
    "gb": (1000**3, 1024),
    "g": (1024**2, 1),
    "gib": (1024**2, 1),
    "tb": (1000**4, 1024),
    "t": (1024**3, 1),
    "tib": (1024**3, 1),
}
# Parts of ``<devices>`` that can hold a PCI function of the host.
_HOLDERS = ("hostdev", "interface", "disk")


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


def parse_domain(text: str) -> Domain | None:
    """Return what a definition says; None if it is none, or not to be trusted."""
    if len(text) > LARGEST or "<!DOCTYPE" in text or "<!ENTITY" in text:
        return None
    root = _root(text)
    if root is None or root.tag != "domain":
        return None
    devices = root.find("devices")
    functions = () if devices is None else tuple(_functions(devices))
    return Domain(
        (root.findtext("name") or "").strip(),
        functions,
        _amount(root.find("memory")),
        _page(root),
        shared_memory(root),
        (root.findtext("devices/emulator") or "").strip(),
        _amount(root.find("memtune/hard_limit")),
    )


def _amount(element: Element | None) -> int:
    return 0 if element is None else kib(element.text, element.get("unit"))


def _root(text: str) -> Element | None:
    from xml.etree import ElementTree

    # Given as str, the text has UTF-8 for its encoding, whatever its head claims.
    parser = ElementTree.XMLParser()
    try:
        parser.feed(text)
        root: Element = parser.close()
    except (ElementTree.ParseError, ValueError):
        return None
    return root


def _functions(devices: Element) -> Iterator[VmFunction]:
    for one in devices:
        if one.tag not in _HOLDERS or one.get("type") not in ("pci", "hostdev", "nvme"):
            continue
        source = one.find("source")
        address = None if source is None else source.find("address")
        if source is None or address is None:
            continue
        said = one.get("managed") or source.get("managed")
        found = pci_address(address.attrib)
        if found:
            yield VmFunction(found, said == "yes")


def pci_address(attributes: Mapping[str, str]) -> str:
    """Return the address as sysfs spells it, "" if a part is no number."""
    try:
        domain, bus, slot, function = (
            int(attributes.get(name, "0"), 0)
            for name in ("domain", "bus", "slot", "function")
        )
    except ValueError:
        return ""
    if domain < 0 or not (0 <= bus < 256 and 0 <= slot < 32 and 0 <= function < 8):
        return ""
    return f"{domain:04x}:{bus:02x}:{slot:02x}.{function}"


def _page(root: Element) -> int | None:
    pages = root.find("memoryBacking/hugepages")
    if pages is None:
        return None
    page = pages.find("page")
    return 0 if page is None else kib(page.get("size"), page.get("unit"))


def kib(text: str | None, unit: str | None) -> int:
    """Return an amount in KiB, 0 if it is none; KiB is the default unit."""
    number = (text or "").strip()
    up, down = _UNITS.get((unit or "KiB").lower(), (0, 1))
    if not (number.isascii() and number.isdigit()):
        return 0
    return int(number[:18]) * up // down
