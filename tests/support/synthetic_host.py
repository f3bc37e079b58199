"""A host with any number of PCI devices, for measuring."""

from __future__ import annotations

import sys
from pathlib import Path

from support.fixture_hosts.hardware import RYZEN_CPU, cpu, kvm
from support.fixture_hosts.looking_glass import (
    RULES_99_ROOT,
    at_boot,
    loaded,
    module_file,
    node,
    rules,
)
from support.fixture_hosts.parts import Parts, Recipe, capture
from support.fixture_hosts.systems import bls, linux, people
from support.hosts import link
from vfio_doctor.host.captured import Capture

PCI = "/sys/bus/pci/devices"
GROUPS = "/sys/kernel/iommu_groups"
EACH_GROUP = 4
RELEASE = "6.12.9-200.fc41.x86_64"
UEVENT = (
    "DRIVER=nvme\nPCI_CLASS=10802\nPCI_ID=144D:A808\nPCI_SUBSYS_ID=144D:A801\n"
    "PCI_SLOT_NAME={bdf}\nMODALIAS=pci:v0000144Dd0000A808\n"
)


def address(number: int) -> str:
    domain, bus = number >> 16, number >> 8 & 255
    return f"{domain:04x}:{bus:02x}:{number >> 3 & 31:02x}.{number & 7}"


def synthetic(devices: int, *more: Parts) -> Capture:
    """Whole functions in groups of four; nothing else that a check asks about."""
    files: dict[str, str] = {}
    links: dict[str, str] = {}
    for number in range(devices):
        bdf, group = address(number), number // EACH_GROUP
        files[f"{PCI}/{bdf}/uevent"] = UEVENT.format(bdf=bdf)
        links[f"{PCI}/{bdf}/iommu_group"] = f"../../../kernel/iommu_groups/{group}"
        links[f"{GROUPS}/{group}/devices/{bdf}"] = f"../../../../bus/pci/devices/{bdf}"
    parts = Parts(
        dict(files),
        {path: link(target) for path, target in links.items()},
        ("/sys/class/iommu/ivhd0",),
    )
    whole = (cpu(*RYZEN_CPU), kvm(), parts, *more)
    return capture(Recipe(f"{devices} devices", "nothing", whole))


def write_host(devices: int, folder: Path) -> None:
    """Write the host as a capture."""
    from vfio_doctor.host.capture_io import save

    save(synthetic(devices), folder)


def write_with_everything(devices: int, folder: Path) -> None:
    """Write one on which every area of rules has something to judge, and to find."""
    from vfio_doctor.host.capture_io import save

    arguments = "quiet amd_iommu=on kvmfr.static_size_mb=100"
    more = (
        linux(RELEASE, 256, arguments, "kvm_amd"),
        bls(RELEASE, arguments),
        people("qemu", qemu=(107, ""), kvm=(36, "qemu")),
        module_file(RELEASE),
        loaded(node("root", 0, "qemu", 107)),
        at_boot(),
        rules("99-kvmfr.rules", RULES_99_ROOT),
    )
    save(synthetic(devices, *more), folder)


if __name__ == "__main__":
    write_host(int(sys.argv[1]), Path(sys.argv[2]))
