"""A guest with cards to give away, and an initramfs of its distribution's own tool.

Behind one root port is a card of two functions, behind another its twin for the
host. The disk shares a conventional bridge, and so an IOMMU group, with one device.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from e2e import images, loader_guest
from e2e.images import Suite
from e2e.vm import VIRTUAL_IOMMU, Machine

SUITE = Suite(
    "bookworm", ("grub2-common", "systemd-container", "initramfs-tools", "zstd")
)
# The driver of the cards: the host has to have it, or nothing is won from it.
MODULES = ["xhci_pci", "ahci", "sd_mod"]
MAKE = """
rm /boot/initrd.img-*
update-initramfs -c -k "$(uname -r)"
grub-editenv /boot/grub/grubenv create
update-grub
"""
DISK = "virtio-blk-pci,drive=d0"
# Before the disk: it is on one of these.
BUSES = (
    "pcie-root-port,id=cards,chassis=1,slot=1",
    "pcie-root-port,id=twin,chassis=2,slot=2",
    "pcie-root-port,id=old,chassis=3,slot=3",
    "pcie-pci-bridge,id=bridge,bus=old",
)
CARDS = (
    "nec-usb-xhci,id=c0,bus=cards,addr=0.0,multifunction=on",
    "nec-usb-xhci,id=c1,bus=cards,addr=0.1",
    "nec-usb-xhci,id=c2,bus=twin",
    "edu,bus=bridge,addr=2",
)


def tree() -> Path:
    """Return the root file system with a kernel, its modules and the image's tool."""
    base = images.rootfs(SUITE)
    key = images.key_of(base, MODULES, Path(__file__).read_text())

    def build(target: Path) -> None:
        release = images.release()
        images.run("cp", "-a", base, target)
        shutil.copy(f"/boot/vmlinuz-{release}", target / "boot")
        shutil.copy(f"/boot/config-{release}", target / "boot")
        shutil.copy(images.initramfs(), target / f"boot/initrd.img-{release}")
        for file in images.module_files(MODULES):
            place = target / str(file).lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, place)
        images.run("depmod", "-b", target, release)
        (target / "etc/default/grub").write_text(loader_guest.GRUB_DEFAULT)
        # This initramfs mounts the root read-only, as Debian's always do.
        (target / "etc/fstab").write_text("/dev/vda1 / ext4 defaults 0 0\n")
        grub = target / "boot/grub/i386-pc"
        shutil.copytree(loader_guest.GRUB_IMAGES, grub)

    return images.kept(f"tree-passthrough-{key}", build)


def disk() -> Path:
    """Return a disk that boots by GRUB, with an image that initramfs-tools made."""
    root = tree()
    key = images.key_of(root, Path(loader_guest.__file__).read_text())

    def build(target: Path) -> None:
        raw = loader_guest.partitioned("grub", root, target.with_suffix(".raw"))
        machine = Machine(raw, arguments="root=/dev/vda1")
        try:
            machine.start()
            machine.shell(MAKE, limit=600)
            machine.shutdown()
            images.run("cp", "--sparse=always", machine.disk, target)
        finally:
            machine.close()
            raw.unlink()

    return images.kept(f"disk-passthrough-{key}.img", build)


class PassthroughMachine(Machine):
    """GRUB starts it; its disk is below a bridge that keeps nothing apart."""

    def __init__(self) -> None:
        """Copy the disk; start nothing yet."""
        super().__init__(disk(), "none", devices=CARDS)

    def _command(self, port: Path) -> list[str]:
        command = super()._command(port)
        at = command.index(DISK)
        command[at] = f"{DISK},bus=bridge,addr=1,bootindex=1"
        # What is made before the IOMMU is not behind it.
        early = (*VIRTUAL_IOMMU["intel"], *BUSES)
        words = [word for device in early for word in ("-device", device)]
        return [*command[: at - 1], *words, *command[at - 1 :]]

    def _boot(self) -> list[str]:
        return ["-no-reboot"]
