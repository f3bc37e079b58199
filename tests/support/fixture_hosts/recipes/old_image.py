"""Hosts whose initramfs loads a module, and has modprobe.d as it once was."""

from __future__ import annotations

from support.fixture_hosts.parts import Parts, file
from support.fixture_hosts.recipes.debian import KERNEL, PLAIN
from vfio_doctor.host.reader import Kind, Stat

OPTIONS, LIST = "/etc/modprobe.d/vfio.conf", "/etc/initramfs-tools/modules"
IMAGE = f"/boot/initrd.img-{KERNEL}"
SYSFS = "/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts"
ADDED = 1_700_000_000


def dated(path: str, when: int) -> Parts:
    """A file of root's that was changed at a time."""
    return Parts(
        stats={path: Stat(Kind.FILE, 0o644, 0, 0, "root", "root", size=9, mtime=when)}
    )


COMMON = (
    file(LIST, "# as a guide says\nvfio\nvfio_iommu_type1\nvfio_pci\n"),
    file(OPTIONS, "options vfio_iommu_type1 allow_unsafe_interrupts=1\n"),
    dated(OPTIONS, ADDED),
    file("/usr/sbin/mkinitramfs", ""),
    file("/usr/sbin/update-initramfs", ""),
    file(f"/boot/vmlinuz-{KERNEL}", ""),
)

HOSTS = (
    PLAIN.but(
        "debian12-module-options-not-in-image",
        "an option that was written to modprobe.d after the image was made",
        *COMMON,
        file(SYSFS, "N\n"),
        dated(IMAGE, ADDED - 3600),
    ),
    PLAIN.but(
        "debian12-module-options-in-image",
        "the same after update-initramfs and a reboot",
        *COMMON,
        file(SYSFS, "Y\n"),
        dated(IMAGE, ADDED + 60),
    ),
)
