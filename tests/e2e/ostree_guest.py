"""An ostree-booted guest: a real sysroot, deployments, boot entries and reboots."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from e2e import images
from e2e.images import Suite
from e2e.vm import Machine

OS_NAME = "default"
REF = "e2e/x86_64/main"
STANDINS = images.PROJECT / "tests/support/standins"
# A sysroot of ostree keeps these below /var; the tree itself is read-only.
MOVED = ("home", "root", "opt", "srv", "mnt", "usr/local")
NO_FILES: Mapping[str, str] = {}
DEFAULT_OFF = "intel_iommu=off "
SHOW_ENTRY = """
sed 's/^{hidden}//' /proc/cmdline > /run/cmdline
mount --bind /run/cmdline /proc/cmdline
"""


def suite(name: str = "bookworm", packages: tuple[str, ...] = ()) -> Suite:
    """Return the release with ostree in it."""
    return Suite(name, ("ostree", "ostree-boot", *packages))


def commit_tree(
    suite: Suite, modules: tuple[str, ...] = (), files: Mapping[str, str] = NO_FILES
) -> Path:
    """Return the root file system, and more, in the form that ostree commits."""
    base = images.rootfs(suite)
    program = (STANDINS / "rpm-ostree").read_bytes()
    source = Path(__file__).read_text()

    def build(target: Path) -> None:
        images.run("cp", "-a", base, target)
        images.add_drivers(target, modules)
        for path, text in files.items():
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            (target / path).write_text(text)
        _rearrange(target)

    key = images.key_of(base, program, modules, files, source)
    return images.kept(f"tree-{key}", build)


def _rearrange(tree: Path) -> None:
    release = images.release()
    home = tree / "usr/lib/modules" / release
    shutil.copy(f"/boot/vmlinuz-{release}", home / "vmlinuz")
    shutil.copy(images.initramfs(images.rootfs(suite())), home / "initramfs.img")
    shutil.copy(STANDINS / "rpm-ostree", tree / "usr/bin/rpm-ostree")
    (tree / "usr/bin/rpm-ostree").chmod(0o755)
    for name in MOVED:
        path = tree / name
        if path.is_symlink() or path.exists():
            shutil.rmtree(path, ignore_errors=True)
        target = f"/var/{name.replace('usr/local', 'usrlocal')}"
        target = target.replace("/root", "/roothome")
        path.symlink_to(os.path.relpath(target, f"/{os.path.dirname(name)}"))
    conf = tree / "usr/lib/tmpfiles.d/e2e.conf"
    lines = ["d /var/home 0755", "d /var/roothome 0700", "d /var/usrlocal 0755"]
    lines += ["d /var/home/alice 0755 alice alice", "d /var/home/bob 0755 bob bob"]
    lines += [
        "d /var/lib 0755",
        "d /var/tmp 1777",
        "d /var/log 0755",
        "d /var/lib/e2e 0755",
    ]
    conf.write_text("\n".join(lines) + "\n")
    for name in ("boot", "var"):
        shutil.rmtree(tree / name)
        (tree / name).mkdir()
    (tree / "sysroot").mkdir()
    (tree / "ostree").symlink_to("sysroot/ostree")
    shutil.rmtree(tree / "usr/etc", ignore_errors=True)
    shutil.move(tree / "etc", tree / "usr/etc")
    for name in ("dev", "run", "proc", "sys", "tmp"):
        shutil.rmtree(tree / name, ignore_errors=True)
        (tree / name).mkdir()


def disk(tree: Path, arguments: tuple[str, ...]) -> Path:
    """Return the disk of a sysroot with one deployment that has these arguments."""
    key = images.key_of(tree, arguments, Path(__file__).read_text())

    def build(target: Path) -> None:
        root = target.with_suffix(".sysroot")
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir()
        sysroot = f"--sysroot={root}"
        repo = f"--repo={root}/ostree/repo"
        images.run("ostree", "admin", "init-fs", sysroot, root)
        images.run("ostree", "admin", "os-init", sysroot, OS_NAME)
        images.run("ostree", "config", repo, "set", "sysroot.bootloader", "none")
        images.run("ostree", "commit", repo, f"--branch={REF}", f"--tree=dir={tree}")
        words = (
            "root=/dev/vda",
            "rw",
            "console=ttyS0",
            "quiet",
            "panic=-1",
            "no_timer_check",
            *arguments,
        )
        kargs = [f"--karg={word}" for word in words]
        images.run("ostree", "admin", "deploy", sysroot, f"--os={OS_NAME}", *kargs, REF)
        images.disk(root, target, "2000M")
        deployments = f"{root}/ostree/deploy/*/deploy/*"
        images.run("sh", "-c", f"chattr -i {deployments} || true")
        shutil.rmtree(root)

    return images.kept(f"ostree-{key}.img", build)


class OstreeMachine(Machine):
    """A guest that boots its newest entry: its arguments and its initramfs.

    Debian's kernel has Intel's IOMMU on without being asked. With ``default_off``
    the guest has one as Fedora's is, off unless ``intel_iommu=on`` is given: QEMU
    puts ``intel_iommu=off`` before the entry's words (a later ``on`` undoes it),
    and the guest's ``/proc/cmdline`` shows the entry's words alone.
    """

    def __init__(
        self,
        name: str,
        iommu: str,
        arguments: tuple[str, ...],
        default_off: bool = False,
        image: Path | None = None,
        devices: tuple[str, ...] = ("edu",),
    ) -> None:
        """Copy the disk, the usual one or another; start nothing yet."""
        usual = image or disk(commit_tree(suite(name)), arguments)
        super().__init__(usual, iommu, devices=devices)
        self.plain = True
        self.default_off = default_off
        self.initramfs = self._folder / "initramfs.img"

    def start(self) -> None:
        """Boot the entry that has the highest version."""
        entry = newest_entry(self.disk)
        hidden = DEFAULT_OFF if self.default_off else ""
        self.arguments = f"{hidden}{entry['options']}"
        dump = f"dump /boot{entry['initrd']} {self.initramfs}"
        images.run("debugfs", "-R", dump, self.disk)
        super().start()
        if self.default_off:
            self.shell(SHOW_ENTRY.format(hidden=DEFAULT_OFF))


def newest_entry(image: Path) -> dict[str, str]:
    """Read the boot entries from a disk that is not in use."""
    folder = "/boot/loader/entries"
    listing = images.run("debugfs", "-R", f"ls -p {folder}", image)
    found = []
    for row in listing.splitlines():
        name = row.split("/")[5] if row.count("/") > 5 else ""
        if not name.endswith(".conf"):
            continue
        text = images.run("debugfs", "-R", f"cat {folder}/{name}", image)
        found.append(
            dict(line.split(maxsplit=1) for line in text.splitlines() if " " in line)
        )
    return max(found, key=lambda entry: int(entry["version"]))
