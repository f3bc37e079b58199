"""Devices: PCI functions and the udev database, without serial numbers and links."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vfio_doctor.host.reader import Missing
from vfio_doctor.host.redaction import forms
from vfio_doctor.host.redaction.listed import listed
from vfio_doctor.host.redaction.paths import path
from vfio_doctor.host.redaction.programs import missing
from vfio_doctor.host.redaction.public import is_module
from vfio_doctor.parse.pci import is_vfio_driver
from vfio_doctor.parse.pci_config import skeleton

if TYPE_CHECKING:
    from collections.abc import Callable

    from vfio_doctor.host.reader import UdevDevice
    from vfio_doctor.host.redaction.names import Names

    Put = Callable[[str, Names], str]

# The words that PCI's public list has for makers and graphics cards.
_HARDWARE = listed(
    """
    advanced micro devices inc inc. corporation corp corp. co co. ltd ltd. limited
    technologies technology group holdings semiconductor international systems
    electronics nvidia amd ati intel realtek qualcomm broadcom mediatek marvell
    samsung micron sandisk western digital kioxia crucial phison asmedia via matrox
    aspeed red hat vmware virtio qemu microsoft radeon geforce rtx gtx quadro tesla
    titan arc uhd hd iris xe graphics navi vega polaris ellesmere raphael phoenix
    rembrandt cezanne renoir picasso raven lucienne mendocino granite ridge strix
    point krackan hawk lake alder raptor rocket comet coffee kaby sky meteor arrow
    lunar battlemage alchemist dg1 dg2 rx pro w series gt ti super mobile max-q
    controller audio hdmi dp high definition usb host hub ethernet gigabit wi-fi
    wireless network adapter nvme ssd sata ahci raid pci express pcie bridge root
    port complex dummy switch upstream downstream smbus isa lpc thermal management
    engine serial io i2c spi uart shared sram signal processing accelerator
    encryption iommu cardbus reader sd card family and for the of processor
    processors core chipset device data fabric function internal integrated display
    vga compatible 3d xhci ehci ohci uhci gpp starship matisse zen 17h 19h 1ah model
    cryptographic coprocessor psp ccp connection ax bluetooth thunderbolt nhi alpine
    """
)
_CODE = re.compile(
    r"[A-Z]{0,4}\d{1,4}[A-Z]{0,4}|[A-Z]\d-[A-Z]|\d{1,5}(?:\.\d{1,3})?[A-Za-z]{0,3}"
)
_TOKEN = re.compile(r"[^\s\[\]()/,&]+")


def hardware(text: str, names: Names) -> str:
    """Return a device's name from the hardware database, word by word."""

    def put(found: re.Match[str]) -> str:
        word = found.group()
        known = word.lower() in _HARDWARE or _CODE.fullmatch(word)
        return word if known else forms.in_parts(word, names, "device")

    return _TOKEN.sub(put, text)


def _in_parts(text: str, names: Names) -> str:
    return forms.in_parts(text, names)


def _driver(text: str, names: Names) -> str:
    if is_vfio_driver(text) and not is_module(text):
        return "vfio-pci"
    return text if is_module(text) else names.name("module", text)


def _ids(text: str, names: Names) -> str:
    known = re.fullmatch(r"[0-9A-Fa-f]{1,8}(?::[0-9A-Fa-f]{1,8})?", text)
    return text if known else names.hidden(text)


def _alias(text: str, names: Names) -> str:
    rest = r"(?:sv[0-9A-F]{8}sd[0-9A-F]{8}bc[0-9A-F]{2}sc[0-9A-F]{2}i[0-9A-F]{2})?"
    known = re.fullmatch(rf"pci:v[0-9A-F]{{8}}d[0-9A-F]{{8}}{rest}", text)
    return text if known else names.hidden(text)


def _tags(text: str, names: Names) -> str:
    return ":".join(_tag(each, names) for each in text.split(":"))


def _tag(text: str, names: Names) -> str:
    plain = ("", "uaccess", "seat", "systemd", "master-of-seat", "drm", "power-switch")
    return text if text in plain else names.name("label", text)


_PROPERTIES: dict[str, Put] = {
    "ACTION": _in_parts,
    "CURRENT_TAGS": _tags,
    "TAGS": _tags,
    "DEVNAME": path,
    "DEVPATH": path,
    "DEVTYPE": _in_parts,
    "DRIVER": _driver,
    "ID_FOR_SEAT": _in_parts,
    "ID_MODEL_FROM_DATABASE": hardware,
    "ID_PATH": _in_parts,
    "ID_PATH_TAG": _in_parts,
    "ID_PCI_CLASS_FROM_DATABASE": hardware,
    "ID_PCI_INTERFACE_FROM_DATABASE": hardware,
    "ID_PCI_SUBCLASS_FROM_DATABASE": hardware,
    "ID_SEAT": _in_parts,
    "ID_VENDOR_FROM_DATABASE": hardware,
    "MAJOR": _ids,
    "MINOR": _ids,
    "MODALIAS": _alias,
    "PCI_CLASS": _ids,
    "PCI_ID": _ids,
    "PCI_SLOT_NAME": _in_parts,
    "PCI_SUBSYS_ID": _ids,
    "SUBSYSTEM": _in_parts,
}


def devices(
    value: tuple[UdevDevice, ...] | Missing, names: Names
) -> tuple[UdevDevice, ...] | Missing:
    """Return the devices of a subsystem with the properties that say what they are."""
    if isinstance(value, Missing):
        return missing(value, names)
    return tuple(_device(device, names) for device in value)


def _device(device: UdevDevice, names: Names) -> UdevDevice:
    kept = tuple(
        (key, _PROPERTIES[key](value, names))
        for key, value in device.properties
        if key in _PROPERTIES
    )
    names.leave_out("property of a device", len(device.properties) - len(kept))
    return device._replace(
        sys_path=path(device.sys_path, names),
        subsystem=_in_parts(device.subsystem, names),
        sys_name=_in_parts(device.sys_name, names),
        device_node=path(device.device_node, names),
        properties=kept,
        tags=tuple(_tag(tag, names) for tag in device.tags),
    )


def uevent(text: str, names: Names) -> str:
    """Return a uevent file: one property a line."""
    kept, gone = [], 0
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if equals and key in _PROPERTIES:
            kept.append(f"{key}={_PROPERTIES[key](value, names)}\n")
        else:
            gone += 1
    names.leave_out("property of a device", gone)
    return "".join(kept)


def header(data: bytes, names: Names) -> bytes:
    """Return a function's standard header, and its ACS: no serial number."""
    kept = skeleton(data)
    names.leave_out("byte of a device's registers", max(0, len(data) - len(kept)))
    return kept
