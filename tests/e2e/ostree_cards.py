"""An image-based guest with a card to give away; rpm-ostree's dracut is a real one.

The initramfs that comes with its image holds neither dracut's work nor vfio-pci.
"""

from __future__ import annotations

from pathlib import Path

from e2e import ostree_guest, passthrough_guest
from e2e.ostree_guest import OstreeMachine
from e2e.vm import VIRTUAL_IOMMU

# A machine in the guest opens what was bound.
PACKAGES = ("dracut-core", "qemu-system-x86")
BUSES = ("pcie-root-port,id=cards,chassis=1,slot=1",)
CARDS = (
    "nec-usb-xhci,id=c0,bus=cards,addr=0.0,multifunction=on",
    "nec-usb-xhci,id=c1,bus=cards,addr=0.1",
    # The host's own, with the same driver.
    "qemu-xhci,id=c2",
)
# dracut looks at each of its hundred parts unless told which, and that takes minutes.
DRACUT = """dracutmodules+=" base systemd systemd-initrd dracut-systemd kernel-modules "
dracutmodules+=" rootfs-block udev-rules fs-lib ostree shutdown "
compress="gzip -1"
early_microcode="no"
do_hardlink="no"
"""
FILES = {"usr/lib/dracut/dracut.conf.d/10-e2e.conf": DRACUT}


def disk() -> Path:
    """Return the disk of a sysroot with one deployment."""
    suite = ostree_guest.suite("bookworm", PACKAGES)
    tree = ostree_guest.commit_tree(suite, tuple(passthrough_guest.MODULES), FILES)
    return ostree_guest.disk(tree, ())


class OstreePassthrough(OstreeMachine):
    """Has a card of two functions; its IOMMU is off unless asked for."""

    def __init__(self) -> None:
        """Copy the disk; start nothing yet."""
        super().__init__(
            "bookworm", "none", (), default_off=True, image=disk(), devices=CARDS
        )
        self.early = (*VIRTUAL_IOMMU["intel"], *BUSES)
