"""Guests whose boot loader itself runs, under OVMF: GRUB and systemd-boot."""

from __future__ import annotations

import shutil
from pathlib import Path

from e2e import images
from e2e.images import Suite
from e2e.vm import Machine

GRUB_SUITE = Suite("bookworm", ("grub2-common", "grub-efi-amd64-bin"))
SYSTEMD_BOOT_SUITE = Suite("bookworm", ("systemd-boot",))
ENTRY_TOKEN = "0123456789abcdef0123456789abcdef"
CONSOLE = "console=ttyS0 panic=-1"
EMBEDDED = """search --no-floppy --label root --set=root
set prefix=($root)/boot/grub
configfile ($root)/boot/grub/grub.cfg
"""
GRUB_DEFAULT = """GRUB_DEFAULT=0
GRUB_TIMEOUT=0
GRUB_DISTRIBUTOR=Debian
GRUB_CMDLINE_LINUX_DEFAULT="quiet{words}"
GRUB_CMDLINE_LINUX="{console}"
GRUB_TERMINAL=console
GRUB_DISABLE_OS_PROBER=true
"""


def esp(target: Path, files: dict[str, Path], size: str = "64M") -> Path:
    """Make a FAT image that holds these files by their paths on it."""
    images.run("truncate", "-s", size, target)
    images.run("mkfs.vfat", "-F", "32", "-n", "ESP", target)
    made: set[str] = set()
    for path, source in files.items():
        parts = path.split("/")[:-1]
        for depth in range(1, len(parts) + 1):
            folder = "/".join(parts[:depth])
            if folder not in made:
                images.run("mmd", "-i", target, f"::{folder}")
                made.add(folder)
        images.run("mcopy", "-i", target, source, f"::{path}")
    return target


def grub_esp() -> Path:
    """Return an ESP with a GRUB that reads the menu on the root disk."""

    def build(target: Path) -> None:
        config = target.with_suffix(".cfg")
        config.write_text(EMBEDDED)
        image = target.with_suffix(".efi")
        images.run("grub-mkstandalone", "-O", "x86_64-efi", "-o", image,
                   f"boot/grub/grub.cfg={config}")  # fmt: skip
        esp(target, {"EFI/BOOT/BOOTX64.EFI": image})
        config.unlink()
        image.unlink()

    return images.kept(f"grub-esp-{images.key_of(EMBEDDED)}.img", build)


def grub_disk(words: str) -> Path:
    """Return a Debian disk whose menu update-grub made inside the guest."""
    base = images.rootfs(GRUB_SUITE)
    text = GRUB_DEFAULT.format(words=f" {words}" if words else "", console=CONSOLE)

    def build(target: Path) -> None:
        tree = target.with_suffix(".tree")
        shutil.rmtree(tree, ignore_errors=True)
        images.run("cp", "-a", base, tree)
        release = images.release()
        shutil.copy(f"/boot/vmlinuz-{release}", tree / "boot")
        shutil.copy(images.initramfs(), tree / f"boot/initrd.img-{release}")
        (tree / "boot/grub").mkdir(parents=True, exist_ok=True)
        (tree / "etc/default/grub").write_text(text)
        raw = images.disk(tree, target.with_suffix(".raw"))
        shutil.rmtree(tree)
        machine = Machine(raw, arguments=words)
        try:
            machine.start()
            machine.shell("update-grub")
            machine.shutdown()
            shutil.copy(machine.disk, target)
        finally:
            machine.close()
        raw.unlink()

    source = Path(__file__).read_text()
    return images.kept(f"grub-{images.key_of(base, text, source)}.img", build)


def grub_machine(iommu: str, words: str) -> Machine:
    """Return a guest that GRUB boots from its own menu."""
    return Machine(grub_disk(words), iommu, esp=grub_esp())


def systemd_boot_disk() -> Path:
    """Return a Debian disk that mounts its ESP at /boot."""
    base = images.rootfs(SYSTEMD_BOOT_SUITE)

    def build(target: Path) -> None:
        tree = target.with_suffix(".tree")
        shutil.rmtree(tree, ignore_errors=True)
        images.run("cp", "-a", base, tree)
        shutil.rmtree(tree / "boot")
        (tree / "boot").mkdir()
        (tree / "etc/fstab").write_text("/dev/vdb /boot vfat umask=0077 0 2\n")
        images.disk(tree, target)
        shutil.rmtree(tree)

    source = Path(__file__).read_text()
    return images.kept(f"sdboot-{images.key_of(base, source)}.img", build)


def systemd_boot_esp(words: str) -> Path:
    """Return an ESP with systemd-boot, two kernels' entries and the kernel."""
    release = images.release()
    options = f"root=/dev/vda rw {CONSOLE} quiet {words}".strip()
    entry = (
        "title Debian GNU/Linux 12 (bookworm)\nversion {version}\n"
        f"machine-id {ENTRY_TOKEN}\nsort-key debian\noptions {options}\n"
        f"linux /{ENTRY_TOKEN}/{release}/linux\n"
        f"initrd /{ENTRY_TOKEN}/{release}/initrd.img\n"
    )

    def build(target: Path) -> None:
        scratch = target.with_suffix(".d")
        scratch.mkdir(exist_ok=True)
        texts = {
            f"loader/entries/{ENTRY_TOKEN}-{release}.conf": entry.format(version=release),
            f"loader/entries/{ENTRY_TOKEN}-0-old.conf": entry.format(version="0"),
            "loader/loader.conf": f"default {ENTRY_TOKEN}-{release}.conf\ntimeout 0\n",
        }
        files: dict[str, Path] = {}
        for n, (path, text) in enumerate(texts.items()):
            (scratch / str(n)).write_text(text)
            files[path] = scratch / str(n)
        program = Path("/usr/lib/systemd/boot/efi/systemd-bootx64.efi")
        files["EFI/BOOT/BOOTX64.EFI"] = program
        files["EFI/systemd/systemd-bootx64.efi"] = program
        files[f"{ENTRY_TOKEN}/{release}/linux"] = Path(f"/boot/vmlinuz-{release}")
        files[f"{ENTRY_TOKEN}/{release}/initrd.img"] = images.initramfs()
        esp(target, files, "96M")
        shutil.rmtree(scratch)

    source = Path(__file__).read_text()
    return images.kept(f"sdboot-esp-{images.key_of(entry, source)}.img", build)


def systemd_boot_machine(iommu: str, words: str) -> Machine:
    """Return a guest that systemd-boot boots from entries on its ESP."""
    return Machine(systemd_boot_disk(), iommu, esp=systemd_boot_esp(words))
