"""The Ryzen board of `unbound_card` with its IOMMU off, by argument or firmware."""

from __future__ import annotations

from support import hosts
from support.fixture_hosts.hardware import RYZEN, devices, firmware, pci
from support.fixture_hosts.parts import Parts
from support.machines import PCI
from support.unbound_card import unbound
from vfio_doctor.host.captured import Capture

OFF = "amd_iommu=off"
TABLES = "APIC DSDT FACP HPET MCFG SSDT1"
# The bridge that each bus of the board is below.
PORTS = {
    "01": "00:01.1",
    "02": "00:01.1",
    "06": "00:01.2",
    "07": "00:02.1",
    "08": "00:03.1",
    "09": "00:07.1",
}


def board(ports: dict[str, str] = PORTS) -> tuple[Parts, ...]:
    """Return the functions without groups, each below its port."""
    text = RYZEN.replace("030000 vfio-pci", "030000 nouveau ")
    text = text.replace("040300 vfio-pci", "040300 snd_hda_intel")
    links = {}
    for one in devices(text):
        port = ports.get(one.bdf[:2])
        way = f"0000:{port}/0000:{one.bdf}" if port else f"0000:{one.bdf}"
        way = way.replace("!", "/0000:")
        target = f"../../../devices/pci0000:00/{way}"
        links[f"{PCI}/0000:{one.bdf}"] = hosts.link(target)
    gone = ("/sys/bus/pci/devices", "/sys/kernel/iommu_groups", "/sys/class/iommu")
    return (
        Parts(gone=gone),
        pci(text, False, "07:00.0"),
        Parts(stats=dict(links), folders=(f"{PCI}/0000:07:00.0/drm/card0",)),
    )


def off(ports: dict[str, str] = PORTS, *more: Parts, words: str = OFF) -> Capture:
    """Return the host that has the IOMMU off by ``words``."""
    return unbound(*board(ports), *more, ids=words)


def off_in_firmware() -> Capture:
    """Return the host whose firmware offers none."""
    tables = firmware("ASUSTeK COMPUTER INC.", "ROG STRIX B550-F GAMING", TABLES)
    gone = Parts(gone=("/sys/firmware/acpi/tables",))
    return unbound(*board(), gone, tables, ids="")
