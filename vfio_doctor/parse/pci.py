"""PCI addresses, class codes and the kernel's ``uevent`` text."""

from __future__ import annotations

import re

from vfio_doctor.value import NamedTuple

# In a text, with or without its domain; each try is short.
_ADDRESS = r"(?<![\w:.])(?:[0-9a-f]{4,8}:)?[0-9a-f]{2}:[01][0-9a-f]\.[0-7](?![\w.])"
HEX = frozenset("0123456789abcdef")
BRIDGE, HOST_BRIDGE, DISPLAY = "0604", "0600", "03"
# Functions whose header is a bridge's: PCI and CardBus.
BRIDGES = ("0604", "0607", "0609")
STUB = "pci-stub"
BRIDGE_CLASS = "06"

# Drivers whose module is called otherwise.
MODULES = {
    "xhci_hcd": "xhci_pci",
    "ehci-pci": "ehci_pci",
    "ohci-pci": "ohci_pci",
    "nvidia-gpu": "i2c_nvidia_gpu",
}


class Uevent(NamedTuple):
    """What ``uevent`` of a PCI function says, all in lower case but the driver.

    ``class_`` has six hexadecimal digits, ``vendor`` and ``device`` four,
    ``subsystem`` is ``vvvv:dddd``; ``driver`` is "" where none is bound.
    """

    driver: str
    class_: str
    vendor: str
    device: str
    subsystem: str


def is_address(text: str) -> bool:
    """Tell whether the text is a full address such as ``0000:01:00.0``.

    The domain has four digits, or more (up to eight) behind Intel VMD.
    """
    domain, _, rest = text.partition(":")
    return (
        4 <= len(domain) <= 8
        and HEX.issuperset(domain)
        and len(rest) == 7
        and rest[2] == ":"
        and rest[5] == "."
        and HEX.issuperset(rest[:2] + rest[3:5])
        and rest[3] in "01"
        and rest[6] in "01234567"
    )


def slot(bdf: str) -> str:
    """Return the address without its function: ``0000:01:00``."""
    return bdf.rpartition(".")[0]


def parse_uevent(text: str) -> Uevent | None:
    """Return the fields of a PCI ``uevent``; None where ids or class are wrong.

    The kernel prints the class without leading zeros (drivers/pci/pci-driver.c,
    pci_uevent).
    """
    pairs = (line.partition("=") for line in text.split("\n"))
    fields = {key: value for key, _, value in pairs}
    vendor, _, device = fields.get("PCI_ID", "").lower().partition(":")
    said = fields.get("PCI_CLASS", "").lower()
    class_ = said.rjust(6, "0")
    ids = _is_hex(vendor, 4) and _is_hex(device, 4)
    if not (ids and said and _is_hex(class_, 6)):
        return None
    subsystem = fields.get("PCI_SUBSYS_ID", "").lower()
    return Uevent(fields.get("DRIVER", ""), class_, vendor, device, subsystem)


def _is_hex(text: str, size: int) -> bool:
    return len(text) == size and HEX.issuperset(text)


def module_of(driver: str) -> str:
    """Return the module that brings a driver."""
    return MODULES.get(driver, driver)


def is_vfio_driver(driver: str) -> bool:
    """Tell whether a driver hands its functions to VFIO.

    vfio-pci and its variants are all called ``…vfio_pci`` or ``…vfio-pci``.
    """
    return "vfio_pci" in driver.replace("-", "_")


def last_address(path: str) -> str:
    """Return the last PCI address in a path below ``/sys/devices``, or ""."""
    return next((one for one in reversed(path.split("/")) if is_address(one)), "")


def last_of_domains(path: str) -> tuple[str, ...]:
    """Return the last address of each domain in a path below ``/sys/devices``.

    Behind Intel VMD a drive has a domain of its own, below the controller's function.
    """
    found = (one for one in path.split("/") if is_address(one))
    return tuple({one.partition(":")[0]: one for one in found}.values())


def overridden(text: str) -> tuple[str, ...]:
    """Return the addresses in a script or rule that sets driver_override to VFIO's."""
    if "driver_override" not in text or "vfio" not in text:
        return ()
    lines = (x for x in text.splitlines() if not x.lstrip().startswith("#"))
    found = (one for line in lines for one in re.findall(_ADDRESS, line.lower()))
    full = (one if one.count(":") == 2 else f"0000:{one}" for one in found)
    return tuple(dict.fromkeys(full))
