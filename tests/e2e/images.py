"""Root file systems, the kernel, its modules and the initramfs: built once, kept.

Everything lies in a cache folder, keyed by a hash of the recipe. A build needs
root, mmdebstrap, mke2fs, busybox-static, cpio, kmod, and for the module gcc, make
and the kernel's headers: `missing_tools` names what is not there.
"""

from __future__ import annotations

import hashlib
import inspect
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
TOOLS = (
    ("mmdebstrap", "mmdebstrap"),
    ("mke2fs", "e2fsprogs"),
    ("busybox", "busybox-static"),
    ("cpio", "cpio"),
    ("depmod", "kmod"),
    ("gcc", "gcc"),
    ("make", "make"),
    ("mkfs.vfat", "dosfstools"),
    ("sfdisk", "fdisk"),
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("ostree", "ostree"),
    ("debugfs", "e2fsprogs"),
    ("grub-mkimage", "grub-common"),
    ("/usr/lib/grub/i386-pc/boot.img", "grub-pc-bin"),
    ("/usr/share/OVMF/OVMF_CODE_4M.fd", "ovmf"),
    ("/usr/share/seabios/bios-256k.bin", "seabios"),
)
# What a guest needs: its disks, the channel, KVM and VFIO.
MODULES = [
    "virtio_pci",
    "virtio_blk",
    "virtio_console",
    "ext4",
    "vfat",
    "nls_cp437",
    "nls_ascii",
    "nls_iso8859-1",
    "overlay",
    "kvm",
    "kvm_amd",
    "kvm_intel",
    "vfio_pci",
    "vfio_iommu_type1",
    "e1000e",
    "efivarfs",
    "autofs4",
    "loop",
    "qemu_fw_cfg",
]
EARLY = ["virtio_pci", "virtio_blk", "ext4"]
BASE = [
    "systemd",
    "systemd-sysv",
    "udev",
    "kmod",
    "python3-minimal",
    "python3",
    "dbus",
    "libpam-systemd",
    "acl",
    "login",
    "procps",
]
UNITS_OFF = [
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "systemd-timesyncd.service",
    "systemd-networkd.service",
    "systemd-resolved.service",
    "getty@tty1.service",
    "serial-getty@ttyS0.service",
    "systemd-pstore.service",
    "man-db.timer",
    "systemd-networkd-wait-online.service",
    "systemd-tpm2-setup.service",
    "systemd-tpm2-setup-early.service",
    "systemd-pcrmachine.service",
    "systemd-binfmt.service",
    "proc-sys-fs-binfmt_misc.automount",
]
AGENT_UNIT = """[Unit]
Description=Test channel
After=local-fs.target systemd-udevd.service
[Service]
ExecStart=/usr/bin/python3 /usr/lib/e2e/agent.py
Restart=always
[Install]
WantedBy=multi-user.target
"""
WEEK = 7 * 24 * 3600  # seconds
OURS = re.compile(
    r"(rootfs|tree|disk|ostree|initramfs|kvmfr|wheels)-.*[0-9a-f]{12}\b.*$"
)
PACKAGED = (
    "vfio_doctor",
    "checks",
    "fixes",
    "setup.cfg",
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "docs/vfio-doctor.1",
    "scripts/clean_build.py",
)
ALICE, QEMU, BOB = 1000, 107, 1001


class Suite(NamedTuple):
    """A Debian release to build a guest from, and what more to install."""

    name: str
    packages: tuple[str, ...] = ()


def cache() -> Path:
    """Return the cache folder, made where it is not there."""
    usual = Path.home() / ".cache" / "vfio-doctor-e2e"
    folder = Path(os.environ.get("VFIO_DOCTOR_E2E_CACHE", usual))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def missing_tools() -> list[str]:
    """Return the Debian packages of the tools that are not installed."""
    found = [package for tool, package in TOOLS if not _is_there(tool)]
    if not kernel_releases():
        found += ["linux-image-amd64", "linux-headers-amd64"]
    return found


def _is_there(tool: str) -> bool:
    return Path(tool).exists() if "/" in tool else bool(shutil.which(tool))


def kernel_releases() -> list[str]:
    """Return the installed kernels that can be built for, the newest last."""
    boot = sorted(Path("/boot").glob("vmlinuz-*-amd64"))
    releases = [path.name.removeprefix("vmlinuz-") for path in boot]
    return [r for r in releases if Path(f"/lib/modules/{r}/build").exists()]


def release() -> str:
    """Return the kernel that the guests run."""
    return kernel_releases()[-1]


def run(*argv: str | Path, cwd: Path | None = None) -> str:
    """Run a build step; its output is shown only where it fails."""
    done = subprocess.run(
        [str(word) for word in argv],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
    )
    if done.returncode:
        tail = (done.stdout + done.stderr)[-3000:]
        raise RuntimeError(f"{argv[0]} ended with {done.returncode}:\n{tail}")
    return done.stdout


def key_of(*parts: object) -> str:
    """Return a short hash of what a build is made from."""
    text = "\n".join(str(part) for part in parts)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def kept(name: str, build: Callable[[Path], object]) -> Path:
    """Return the cached path of that name, built into a scratch name first."""
    path = cache() / name
    if not path.exists():
        scratch = cache() / f"{name}.{os.getpid()}.new"
        _remove(scratch)
        build(scratch)
        if path.exists():  # another run was faster
            _remove(scratch)
        else:
            scratch.rename(path)
    os.utime(path)
    return path


def forget_old() -> None:
    """Remove what no run has used for a week; only names that `kept` gives."""
    for path in cache().iterdir():
        unused = time.time() - path.lstat().st_mtime
        if unused > WEEK and OURS.match(path.name):
            _remove(path)


def mounted_below(path: Path) -> list[str]:
    """Return what a build that was killed has left mounted there, innermost first."""
    real = f"{path.resolve()}/"
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as lines:
        points = [line.split()[4].replace("\\040", " ") for line in lines]
    return [point for point in reversed(points) if f"{point}/".startswith(real)]


def _remove(path: Path) -> None:
    """Remove what `kept` built, but never through a mount."""
    if path.is_dir() and not path.is_symlink():
        for point in mounted_below(path):
            subprocess.run(["umount", "-l", point], check=False)
        left = mounted_below(path)
        if left:
            raise RuntimeError(f"still mounted, so nothing is removed: {left}")
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def kvmfr_module() -> Path:
    """Return the stand-in module, built against the guests' kernel."""
    source = (HERE / "kvmfr/kvmfr.c").read_text()

    def build(target: Path) -> None:
        shutil.copytree(HERE / "kvmfr", target)
        run("make", "-C", f"/lib/modules/{release()}/build", f"M={target}", "modules")

    return kept(f"kvmfr-{key_of(source, release())}", build) / "kvmfr.ko"


def module_files(names: list[str]) -> list[Path]:
    """Return the files of modules and of all that they depend on, in order."""
    found: dict[Path, None] = {}
    for name in names:
        text = run("modprobe", "--show-depends", "-S", release(), name)
        for line in text.splitlines():
            words = line.split()
            if words[:1] == ["insmod"]:
                found[Path(words[1])] = None
    return list(found)


def add_modules(root: Path, base: str = "lib/modules") -> None:
    """Put the modules a guest needs, and kvmfr, below a root file system."""
    home = root / base / release()
    home.mkdir(parents=True, exist_ok=True)
    for file in module_files(MODULES):
        target = home / file.relative_to(f"/lib/modules/{release()}")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    extra = home / "extra"
    extra.mkdir(exist_ok=True)
    shutil.copy(kvmfr_module(), extra)
    for name in ("modules.builtin", "modules.order", "modules.builtin.modinfo"):
        shutil.copy(f"/lib/modules/{release()}/{name}", home)
    run("depmod", "-b", root / base.removesuffix("lib/modules"), release())


def add_drivers(root: Path, names: Iterable[str]) -> None:
    """Put more modules, and what they depend on, beside those of `add_modules`."""
    for file in module_files([*names]):
        place = root / str(file).lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, place)
    run("depmod", "-b", root, release())


def rootfs(suite: Suite) -> Path:
    """Return a root file system as a folder; never change it, copy it."""
    agent = (HERE / "agent.py").read_text()
    lists = (BASE, MODULES, UNITS_OFF, AGENT_UNIT)
    steps = (_bootstrap, _people, _units, add_modules)
    recipe = [inspect.getsource(step) for step in steps]
    key = key_of(suite, agent, lists, recipe, kvmfr_module())

    def build(target: Path) -> None:
        _bootstrap(suite, target)
        _people(target)
        _units(target)
        add_modules(target)

    return kept(f"rootfs-{suite.name}-{key}", build)


def _bootstrap(suite: Suite, target: Path) -> None:
    options = ["--variant=minbase", "--mode=root", "--skip=cleanup/tmp"]
    if suite.name == "sid":
        options.append('--aptopt=Acquire::Check-Valid-Until "false"')
    packages = ",".join((*BASE, *suite.packages))
    run("mmdebstrap", *options, f"--include={packages}", suite.name, target)
    for junk in ("usr/share/doc", "usr/share/man", "usr/share/locale", "var/cache/apt"):
        shutil.rmtree(target / junk, ignore_errors=True)


def _append(path: Path, text: str) -> None:
    path.write_text(path.read_text() + text)


def _people(root: Path) -> None:
    """Add alice (who runs the VM), bob (who must stay out) and QEMU's account."""
    people = (("alice", ALICE), ("bob", BOB))
    for name, uid in people:
        _append(root / "etc/passwd", f"{name}:x:{uid}:{uid}::/home/{name}:/bin/sh\n")
        _append(root / "etc/group", f"{name}:x:{uid}:\n")
        _append(root / "etc/shadow", f"{name}:*:19000:0:99999:7:::\n")
        (root / f"home/{name}").mkdir(parents=True, exist_ok=True)
        os.chown(root / f"home/{name}", uid, uid)
    _append(root / "etc/passwd", f"qemu:x:{QEMU}:{QEMU}::/:/usr/sbin/nologin\n")
    _append(root / "etc/group", f"qemu:x:{QEMU}:\n")
    _append(root / "etc/shadow", "qemu:*:19000:0:99999:7:::\n")
    _join(root / "etc/group", "kvm", "qemu")
    conf = root / "etc/libvirt/qemu.conf"
    conf.parent.mkdir(parents=True, exist_ok=True)
    conf.write_text('user = "qemu"\ngroup = "qemu"\n')


def _join(path: Path, group: str, member: str) -> None:
    """Make somebody a member of a group, as the packages of libvirt do."""
    lines = path.read_text().splitlines()
    joined = [
        f"{line}{',' if not line.endswith(':') else ''}{member}"
        if line.startswith(f"{group}:")
        else line
        for line in lines
    ]
    path.write_text("\n".join(joined) + "\n")


def _units(root: Path) -> None:
    (root / "usr/lib/e2e").mkdir(parents=True, exist_ok=True)
    shutil.copy(HERE / "agent.py", root / "usr/lib/e2e/agent.py")
    units = root / "etc/systemd/system"
    (units / "multi-user.target.wants").mkdir(parents=True, exist_ok=True)
    (units / "e2e-agent.service").write_text(AGENT_UNIT)
    (units / "multi-user.target.wants/e2e-agent.service").symlink_to(
        "/etc/systemd/system/e2e-agent.service"
    )
    for name in UNITS_OFF:
        (units / name).unlink(missing_ok=True)
        (units / name).symlink_to("/dev/null")
    default = units / "default.target"
    default.unlink(missing_ok=True)
    default.symlink_to("/usr/lib/systemd/system/multi-user.target")
    (root / "etc/hostname").write_text("e2e-guest\n")
    (root / "etc/fstab").write_text("")
    (root / "etc/machine-id").write_text("0123456789abcdef0123456789abcdef\n")


def disk(tree: Path, image: Path, size: str = "1200M", label: str = "root") -> Path:
    """Make an ext4 image of a folder."""
    features = "^orphan_file,^metadata_csum_seed"
    run(
        "mke2fs",
        "-q",
        "-t",
        "ext4",
        "-L",
        label,
        "-O",
        features,
        "-d",
        tree,
        image,
        size,
    )
    return image


INIT = """#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /sysroot
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t devtmpfs dev /dev
for m in $(/bin/busybox cat /modules/order); do
    /bin/busybox insmod /modules/$m
done
root=/dev/vda
for word in $(/bin/busybox cat /proc/cmdline); do
    case $word in root=*) root=${word#root=} ;; esac
done
n=0
while [ $n -lt 200 ]; do
    device=$root
    case $root in *=*) device=$(/bin/busybox findfs "$root" 2>/dev/null) ;; esac
    [ -b "$device" ] && break
    /bin/busybox usleep 50000
    n=$((n+1))
done
/bin/busybox mount -t ext4 -o rw "$device" /sysroot
if /bin/busybox grep -q 'ostree=' /proc/cmdline; then
    /usr/lib/ostree/ostree-prepare-root /sysroot
    # Newer releases have prepare-root mount this, older ones a unit.
    /bin/busybox mount --bind /sysroot/sysroot/ostree/deploy/default/var /sysroot/var
fi
/bin/busybox mount --move /proc /sysroot/proc
/bin/busybox mount --move /sys /sysroot/sys
/bin/busybox mount --move /dev /sysroot/dev
exec /bin/busybox switch_root /sysroot /sbin/init
"""


def initramfs(ostree_from: Path | None = None) -> Path:
    """Return a lean initramfs; with ostree's own prepare-root where asked."""
    key = key_of(INIT, release(), EARLY, ostree_from)

    def build(target: Path) -> None:
        tree = target.with_suffix(".tree")
        shutil.rmtree(tree, ignore_errors=True)
        for folder in ("bin", "modules", "proc", "sys", "dev", "sysroot"):
            (tree / folder).mkdir(parents=True)
        shutil.copy("/usr/bin/busybox", tree / "bin/busybox")
        (tree / "init").write_text(INIT)
        (tree / "init").chmod(0o755)
        files = module_files(EARLY)
        for file in files:
            shutil.copy(file, tree / "modules")
        (tree / "modules/order").write_text("\n".join(f.name for f in files) + "\n")
        if ostree_from is not None:
            _add_prepare_root(ostree_from, tree)
        script = f"find . | cpio -o -H newc --quiet | gzip -1 > {target}"
        run("sh", "-c", script, cwd=tree)
        shutil.rmtree(tree)

    return kept(f"initramfs-{key}.img", build)


def _add_prepare_root(root: Path, tree: Path) -> None:
    program = "usr/lib/ostree/ostree-prepare-root"
    needed = run("chroot", root, "ldd", f"/{program}")
    paths = [word for word in needed.split() if word.startswith("/")]
    for path in (f"/{program}", *paths):
        real = Path(os.path.realpath(root / path.lstrip("/")))
        target = tree / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(real, target)


def wheels() -> Path:
    """Return a folder with the project's wheel and those of its dependencies.

    It is built from a copy: in the checkout an older build's files would get in.
    """
    names = run("git", "-C", PROJECT, "ls-files", *PACKAGED).split()
    files = [PROJECT / name for name in sorted(names)]
    content = key_of(*(f.read_bytes() for f in files if f.is_file()))

    def build(target: Path) -> None:
        copy = target.with_suffix(".source")
        shutil.rmtree(copy, ignore_errors=True)
        for file in files:
            place = copy / file.relative_to(PROJECT)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, place, follow_symlinks=False)
        target.mkdir()
        run(sys.executable, "-m", "pip", "wheel", "-q", "-w", target, copy)
        shutil.rmtree(copy)

    return kept(f"wheels-{content}", build)
