"""A machine with a drive that holds root, and the cards that a test gives it."""

from __future__ import annotations

from support import hosts
from support.fixture_hosts.hardware import CORE_CPU, cpu
from support.fixture_hosts.parts import Parts, file
from support.machines import PCI, SYSFS, function
from vfio_doctor.host.reader import Missing, Stat

CARD, OWN, NVME = "0000:01:00.0", "0000:02:00.0", "0000:03:00.0"
LINKS: dict[str, Stat | Missing] = {
    "/sys/class/iommu/dmar0": hosts.link("../../devices/virtual/iommu/dmar0"),
    "/sys/class/block/nvme0n1p2": hosts.link(
        f"../../devices/pci0000:00/{NVME}/nvme/nvme0/nvme0n1/nvme0n1p2"
    ),
}
BASE = (
    Parts(folders=(*SYSFS, "/sys/class/leds"), stats=LINKS),
    cpu(*CORE_CPU),
    file("/proc/cmdline", "quiet\n"),
    file("/proc/sys/kernel/osrelease", "6.12.5\n"),
    file("/proc/mounts", "/dev/nvme0n1p2 / ext4 rw 0 0\n"),
    function(NVME, "144d:a808", "010802", "nvme", 3),
)


def card(driver: str | None) -> Parts:
    return function(CARD, "10de:2482", "030000", driver, 1)


def own(driver: str, ids: str = "1002:67df") -> Parts:
    return function(OWN, ids, "030000", driver, 2)


def boot_vga(bdf: str) -> Parts:
    return file(f"{PCI}/{bdf}/boot_vga", "1\n")
