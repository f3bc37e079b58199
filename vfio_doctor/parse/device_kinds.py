"""What a person calls a PCI function, by its class code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.messages import say

if TYPE_CHECKING:
    from vfio_doctor.model import Message

AUDIO_DEVICE = say("kind-audio-device", "audio device")
SERIAL_BUS_CONTROLLER = say("kind-serial-bus-controller", "serial bus controller")
# By the first four or two digits of the class code.
KINDS = {
    "0101": say("kind-ide-controller", "IDE controller"),
    "0104": say("kind-raid-controller", "RAID controller"),
    "0106": say("kind-sata-controller", "SATA controller"),
    "0107": say("kind-sas-controller", "SAS controller"),
    "0108": say("kind-nvme-drive", "NVMe drive"),
    "01": say("kind-storage-controller", "storage controller"),
    "0200": say("kind-network-card", "network card"),
    "0280": say("kind-wireless-network-card", "wireless network card"),
    "02": say("kind-network-controller", "network controller"),
    "0300": say("kind-graphics-card-vga", "graphics card (VGA)"),
    "0302": say("kind-graphics-card-3d", "graphics card (3D)"),
    "0380": say("kind-graphics-card", "graphics card"),
    "03": say("kind-display-controller", "display controller"),
    "0401": AUDIO_DEVICE,
    "0403": AUDIO_DEVICE,
    "04": say("kind-multimedia-device", "multimedia device"),
    "05": say("kind-memory-controller", "memory controller"),
    "0600": say("kind-host-bridge", "host bridge"),
    "0601": say("kind-isa-bridge", "ISA bridge"),
    "0604": say("kind-pci-bridge", "PCI bridge"),
    "06": say("kind-bridge", "bridge"),
    "0700": say("kind-serial-port", "serial port"),
    "07": say("kind-communication-controller", "communication controller"),
    "0805": say("kind-sd-card-controller", "SD card controller"),
    "0806": say("kind-iommu", "IOMMU"),
    "08": say("kind-system-device", "system device"),
    "09": say("kind-input-device", "input device"),
    "0b": say("kind-processor", "processor"),
    "0c03": say("kind-usb-controller", "USB controller"),
    "0c05": say("kind-smbus", "SMBus"),
    "0c80": SERIAL_BUS_CONTROLLER,
    "0c": SERIAL_BUS_CONTROLLER,
    "0d": say("kind-wireless-controller", "wireless controller"),
    "0e": say("kind-intelligent-controller", "intelligent controller"),
    "10": say("kind-encryption-controller", "encryption controller"),
    "11": say("kind-signal-processing-controller", "signal processing controller"),
    "12": say("kind-processing-accelerator", "processing accelerator"),
    "13": say("kind-helper-function", "helper function"),
}
OTHER = say("kind-other", "device of class {code}")


def device_kind(class_: str) -> Message:
    """Return what a person calls a device of that class code."""
    named = KINDS.get(class_[:4]) or KINDS.get(class_[:2])
    return named or OTHER.filled(code=class_[:4])
