"""Guests whose own boot loader runs: GRUB under SeaBIOS, systemd-boot under OVMF.

Their disks are made in two steps: a partitioned image without any loader device
(no loop device is needed), then one boot with QEMU's ``-kernel`` in which the
guest itself makes its menu (``update-grub``) or its entries (``kernel-install``).
"""

from __future__ import annotations

import shutil
from pathlib import Path

from e2e import images
from e2e.images import Suite
from e2e.vm import Machine

SECTOR = 512
MIB = 1 << 20
ROOT_SIZE = 1300  # MiB
ESP_SIZE = 128  # MiB
OVMF = Path("/usr/share/OVMF")
GRUB_IMAGES = Path("/usr/lib/grub/i386-pc")
# Read by GRUB's first stage before it can load anything: disk, table, ext4.
GRUB_CORE = ("biosdisk", "part_msdos", "ext2")
# Without KVM a tick may come too late for the kernel's test of the timer, and with
# interrupt remapping that is a panic: "timer doesn't work through ... IO-APIC".
WORDS = "console=ttyS0 panic=-1 no_timer_check"
GRUB_DEFAULT = f"""GRUB_DEFAULT=0
GRUB_TIMEOUT=0
GRUB_DISTRIBUTOR=`lsb_release -i -s 2> /dev/null || echo Debian`
GRUB_CMDLINE_LINUX_DEFAULT="quiet"
GRUB_CMDLINE_LINUX="{WORDS}"
GRUB_TERMINAL=console
"""
MAKE_MENU = """
grub-editenv /boot/grub/grubenv create
update-grub
"""
MAKE_ENTRIES = """
release=$(uname -r)
bootctl --no-variables install
printf 'timeout 0\\n' > /boot/efi/loader/loader.conf
kernel-install add "$release" "/boot/vmlinuz-$release" "/boot/initrd.img-$release"
"""
TABLES = {
    "grub": f"label: dos\nstart={MIB // SECTOR}, type=83, bootable\n",
    "systemd-boot": (
        f"label: gpt\nstart={MIB // SECTOR}, size={ESP_SIZE}MiB, type=uefi\n"
        f"start={(1 + ESP_SIZE) * MIB // SECTOR}, type=linux\n"
    ),
}


def suite(loader: str, name: str) -> Suite:
    """Return the release with that boot loader's package in it."""
    packages = {
        "grub": ("grub2-common", "systemd-container"),
        "systemd-boot": ("systemd-boot",),
    }
    return Suite(name, packages[loader])


def root_partition(loader: str) -> str:
    """Return the guest's name of the root partition."""
    return "/dev/vda1" if loader == "grub" else "/dev/vda2"


def tree(loader: str, name: str) -> Path:
    """Return the root file system with a kernel in /boot."""
    base = images.rootfs(suite(loader, name))
    key = images.key_of(base, images.initramfs(), Path(__file__).read_text())

    def build(target: Path) -> None:
        release = images.release()
        images.run("cp", "-a", base, target)
        shutil.copy(f"/boot/vmlinuz-{release}", target / "boot")
        shutil.copy(f"/boot/config-{release}", target / "boot")
        shutil.copy(images.initramfs(), target / f"boot/initrd.img-{release}")
        configure(loader, target)

    return images.kept(f"tree-{loader}-{name}-{key}", build)


def configure(loader: str, root: Path) -> None:
    """Write what the loader's own tools make their menu or entries from."""
    (_for_grub if loader == "grub" else _for_systemd_boot)(root)


def _for_grub(root: Path) -> None:
    (root / "etc/default/grub").write_text(GRUB_DEFAULT)
    shutil.copytree(GRUB_IMAGES, root / "boot/grub/i386-pc")


def _for_systemd_boot(root: Path) -> None:
    (root / "boot/efi").mkdir()
    (root / "etc/fstab").write_text("/dev/vda1 /boot/efi vfat umask=0077 0 0\n")
    (root / "etc/kernel").mkdir(exist_ok=True)
    words = f"root={root_partition('systemd-boot')} rw {WORDS} quiet\n"
    (root / "etc/kernel/cmdline").write_text(words)


def partitioned(loader: str, root: Path, image: Path) -> Path:
    """Make a disk image with a partition table and the root file system."""
    before = 1 if loader == "grub" else 1 + ESP_SIZE
    with image.open("wb") as file:
        # One MiB more: the second GPT lies at the end.
        file.truncate((before + ROOT_SIZE + 1) * MIB)
    table = image.with_suffix(".sfdisk")
    table.write_text(TABLES[loader])
    images.run("sh", "-c", 'exec sfdisk -q "$1" < "$2"', "sh", image, table)
    table.unlink()
    if loader == "systemd-boot":
        # One sector a cluster: firmware takes less than 65,525 clusters for FAT16.
        shape = ("-F", "32", "-s", "1", "--offset", str(MIB // SECTOR))
        images.run("mkfs.vfat", *shape, image, str(ESP_SIZE * 1024))
    images.run("mke2fs", "-q", "-t", "ext4", "-O", "^orphan_file,^metadata_csum_seed",
               "-E", f"offset={before * MIB}", "-d", root, image,
               f"{ROOT_SIZE}M")  # fmt: skip
    if loader == "grub":
        _embed_grub(image)
    return image


def _embed_grub(image: Path) -> None:
    """Write GRUB's boot sector and core image before the first partition.

    This is what grub-install does to a BIOS disk; it does not take plain files.
    boot.img loads sector 1, and the core image says itself how long it is.
    """
    core = image.with_suffix(".core")
    images.run("grub-mkimage", "-O", "i386-pc", "-p", "(hd0,msdos1)/boot/grub",
               "-o", core, *GRUB_CORE)  # fmt: skip
    boot = (GRUB_IMAGES / "boot.img").read_bytes()
    data = core.read_bytes()
    core.unlink()
    assert len(data) < MIB - SECTOR, "the core image reaches into the partition"
    with image.open("r+b") as file:
        # From byte 440 on the sector holds the partition table.
        file.write(boot[:440])
        file.seek(SECTOR)
        file.write(data)


def disk(loader: str, name: str = "bookworm") -> Path:
    """Return a disk that boots by itself with ``loader`` (see `TABLES`)."""
    root = tree(loader, name)
    key = images.key_of(root, Path(__file__).read_text())

    def build(target: Path) -> None:
        raw = partitioned(loader, root, target.with_suffix(".raw"))
        machine = Machine(raw, arguments=f"root={root_partition(loader)}")
        try:
            machine.start()
            machine.shell(MAKE_MENU if loader == "grub" else MAKE_ENTRIES, limit=180)
            machine.shutdown()
            images.run("cp", "--sparse=always", machine.disk, target)
        finally:
            machine.close()
            raw.unlink()

    return images.kept(f"disk-{loader}-{name}-{key}.img", build)


class LoaderMachine(Machine):
    """A guest that QEMU gives no kernel: firmware and boot loader find it."""

    def __init__(
        self,
        loader: str,
        name: str = "bookworm",
        iommu: str = "intel",
        image: Path | None = None,
        devices: tuple[str, ...] = ("edu",),
    ) -> None:
        """Copy the disk, the usual one or another; start nothing yet."""
        super().__init__(image or disk(loader, name), iommu, devices=devices)
        self.loader = loader
        if loader == "systemd-boot":
            shutil.copy(OVMF / "OVMF_VARS_4M.fd", self._folder / "vars.fd")

    def _boot(self) -> list[str]:
        if self.loader == "grub":
            return ["-no-reboot"]
        code = OVMF / "OVMF_CODE_4M.fd"
        return [
            "-no-reboot",
            *("-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={code}"),
            *("-drive", f"if=pflash,format=raw,unit=1,file={self._folder}/vars.fd"),
        ]
