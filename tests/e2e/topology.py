"""A guest whose devices share groups in every way that a kernel knows of.

It boots by QEMU's ``-kernel`` from the disk of the passthrough guest.
"""

from __future__ import annotations

from pathlib import Path

from e2e import images, passthrough_guest
from e2e.vm import VIRTUAL_IOMMU, Machine

PORTS = (
    "pcie-root-port,id=card,chassis=1,slot=1",
    "pcie-root-port,id=alone,chassis=2,slot=2,disable-acs=on",
    # Two ports without ACS that are functions of one slot.
    "pcie-root-port,id=left,chassis=3,slot=3,addr=18.0,multifunction=on,disable-acs=on",
    "pcie-root-port,id=right,chassis=4,slot=4,addr=18.1,disable-acs=on",
    # QEMU's switches have no ACS.
    "pcie-root-port,id=trunk,chassis=5,slot=5",
    "x3130-upstream,id=up,bus=trunk",
    "xio3130-downstream,id=down0,bus=up,addr=0.0,chassis=6,slot=6",
    "xio3130-downstream,id=down1,bus=up,addr=1.0,chassis=7,slot=7",
    "pcie-root-port,id=trunk2,chassis=8,slot=8",
    "x3130-upstream,id=up2,bus=trunk2",
    "xio3130-downstream,id=down2,bus=up2,addr=0.0,multifunction=on,chassis=9,slot=9",
    "xio3130-downstream,id=down3,bus=up2,addr=0.1,chassis=10,slot=10",
    "pcie-root-port,id=old,chassis=11,slot=11",
    "pcie-pci-bridge,id=bridge,bus=old",
    "pcie-root-port,id=sriov,chassis=12,slot=12",
)
CARDS = (
    "nec-usb-xhci,id=c0,bus=card,addr=0.0,multifunction=on",
    "edu,bus=card,addr=0.1",
    "ich9-ahci,bus=card,addr=0.2",
    "nec-usb-xhci,id=c2,bus=alone",
    "edu,bus=left",
    "nec-usb-xhci,id=c3,bus=right",
    "nec-usb-xhci,id=c4,bus=down0",
    "nec-usb-xhci,id=c5,bus=down1",
    "nec-usb-xhci,id=c6,bus=down2",
    "ich9-ahci,bus=down3",
    "edu,bus=bridge,addr=1",
    "ich9-ahci,bus=bridge,addr=2",
    "nec-usb-xhci,id=c7,bus=pcie.0,addr=19.0,multifunction=on",
    "ich9-ahci,bus=pcie.0,addr=19.1",
    "nvme-subsys,id=s0",
    "nvme,serial=one,subsys=s0,bus=sriov,sriov_max_vfs=2,sriov_vq_flexible=4,"
    "sriov_vi_flexible=2,max_ioqpairs=6,msix_qsize=8",
)


SCREENS = ("bochs-display", "virtio-gpu-pci")
# By its serial number: which of two controllers is the first is left to chance.
ROOT = "/dev/disk/by-id/nvme-QEMU_NVMe_Ctrl_root-part1"


class Topology(Machine):
    """QEMU gives it the kernel and Debian's own image; its disk is an NVMe drive."""

    def __init__(self) -> None:
        """Copy the disk; start nothing yet."""
        tree = passthrough_guest.tree("grub")
        super().__init__(
            passthrough_guest.disk("grub"),
            "none",
            f"root={ROOT}",
            tree / f"boot/initrd.img-{images.release()}",
            devices=(*CARDS, *SCREENS),
        )
        self.early = (*VIRTUAL_IOMMU["intel"], *PORTS)

    def _command(self, port: Path) -> list[str]:
        command = super()._command(port)
        at = command.index("virtio-blk-pci,drive=d0")
        command[at] = "nvme,drive=d0,serial=root"
        return command
