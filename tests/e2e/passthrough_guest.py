"""A guest with cards to give away, and an initramfs of its distribution's own tool.

Behind one root port is a card of two functions, behind another its twin for the
host. The disk shares a conventional bridge, and so an IOMMU group, with one device.
"""

from __future__ import annotations

import inspect
import shutil
from pathlib import Path

from e2e import images, loader_guest
from e2e.images import Suite
from e2e.loader_guest import LoaderMachine
from e2e.vm import VIRTUAL_IOMMU, Machine

# A machine in the guest opens what was bound.
PACKAGES = ("initramfs-tools", "zstd", "qemu-system-x86")
LOADERS = {
    "grub": ("grub2-common", "systemd-container"),
    "systemd-boot": ("systemd-boot",),
}
# The drivers of the cards: the host has to have them, or nothing is won from it.
MODULES = ["xhci_pci", "ahci", "sd_mod", "nvme", "i2c_i801", "bochs", "virtio-gpu"]
MAKE = {
    "grub": """
grub-editenv /boot/grub/grubenv create
update-grub
""",
    "systemd-boot": """
bootctl --no-variables install
printf 'timeout 0\\n' > /boot/efi/loader/loader.conf
kernel-install add $(uname -r) /boot/vmlinuz-$(uname -r) /boot/initrd.img-$(uname -r)
""",
}
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


def suite(loader: str) -> Suite:
    """Return Debian 12 with that boot loader, initramfs-tools and QEMU."""
    return Suite("bookworm", (*LOADERS[loader], *PACKAGES))


def tree(loader: str) -> Path:
    """Return the root file system with a kernel, its modules and the image's tool."""
    base = images.rootfs(suite(loader))
    key = images.key_of(base, MODULES, inspect.getsource(tree))

    def build(target: Path) -> None:
        release = images.release()
        images.run("cp", "-a", base, target)
        shutil.copy(f"/boot/vmlinuz-{release}", target / "boot")
        shutil.copy(f"/boot/config-{release}", target / "boot")
        images.add_drivers(target, MODULES)
        loader_guest.configure(loader, target)
        # This initramfs mounts the root read-only, as Debian's always do.
        root = loader_guest.root_partition(loader)
        with (target / "etc/fstab").open("a") as table:
            table.write(f"{root} / ext4 defaults 0 0\n")
        # In an emulated guest this would take minutes.
        images.run("chroot", target, "update-initramfs", "-c", "-k", release)

    return images.kept(f"tree-passthrough-{loader}-{key}", build)


def disk(loader: str = "grub") -> Path:
    """Return a disk that boots by itself, with an image that initramfs-tools made."""
    root = tree(loader)
    made = inspect.getsource(loader_guest.partitioned)
    key = images.key_of(root, MAKE[loader], made, inspect.getsource(disk))

    def build(target: Path) -> None:
        raw = loader_guest.partitioned(loader, root, target.with_suffix(".raw"))
        words = f"root={loader_guest.root_partition(loader)}"
        machine = Machine(raw, arguments=words)
        try:
            machine.start()
            machine.shell(MAKE[loader], limit=900)
            machine.shutdown()
            images.run("cp", "--sparse=always", machine.disk, target)
        finally:
            machine.close()
            raw.unlink()

    return images.kept(f"disk-passthrough-{loader}-{key}.img", build)


class PassthroughMachine(LoaderMachine):
    """Its own loader starts it; its disk is below a bridge that keeps nothing apart."""

    def __init__(self, loader: str = "grub", iommu: str = "intel") -> None:
        """Copy the disk; start nothing yet."""
        super().__init__(loader, iommu="none", image=disk(loader), devices=CARDS)
        self.early = (*VIRTUAL_IOMMU[iommu], *BUSES)

    def _command(self, port: Path) -> list[str]:
        command = super()._command(port)
        at = command.index(DISK)
        command[at] = f"{DISK},bus=bridge,addr=1,bootindex=1"
        return command
