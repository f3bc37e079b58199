"""The fixed collection list: what a triager wants beyond what was judged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.host.reader import Missing, read_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.host.reader import Reader
    from vfio_doctor.host.recorder import Recorder

FILES = (
    "/proc/cmdline",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/sys/kernel/tainted",
    "/proc/modules",
    "/proc/interrupts",
    "/proc/iomem",
    "/proc/mounts",
    "/proc/swaps",
    "/proc/net/route",
    "/proc/sys/kernel/osrelease",
    "/proc/sys/kernel/hostname",
    "/proc/sys/kernel/random/boot_id",
    "/etc/os-release",
    "/usr/share/ublue-os/image-info.json",
    "/sys/kernel/security/lockdown",
    "/sys/module/kvmfr/version",
    "/etc/libvirt/qemu.conf",
    "/var/lib/libvirt/qemu.conf",
    "/etc/apparmor.d/abstractions/libvirt-qemu",
    "/etc/apparmor.d/local/abstractions/libvirt-qemu",
    "/sys/module/apparmor/parameters/enabled",
    "/sys/fs/selinux/enforce",
    "/etc/default/grub",
    "/etc/kernel/cmdline",
    "/etc/looking-glass-client.ini",
    "/etc/mkinitcpio.conf",
    "/etc/initramfs-tools/modules",
    "/etc/booster.yaml",
    "/etc/modules",
    "/var/lib/vfio-doctor/groups",
)
GLOBS = (
    "/etc/modprobe.d/*.conf",
    "/etc/modules-load.d/*.conf",
    "/usr/lib/modules-load.d/*.conf",
    "/etc/udev/rules.d/*.rules",
    "/etc/dracut.conf.d/*.conf",
    "/etc/mkinitcpio.conf.d/*.conf",
    "/usr/lib/dracut/dracut.conf.d/*vfio*",
    "/etc/tmpfiles.d/*looking-glass*",
    "/etc/driverctl.d/*",
    "/etc/sysfs.d/*.conf",
    "/boot/loader/entries/*.conf",
    "/etc/libvirt/hooks/*",
    "/etc/libvirt/hooks/qemu.d/*",
    "/etc/libvirt/qemu/*.xml",
    "/etc/apparmor.d/abstractions/libvirt-qemu.d/*",
    "/sys/class/drm/card*-*/status",
    "/sys/class/drm/card*-*/modes",
    "/sys/class/input/input*/capabilities/key",
    "/sys/kernel/iommu_groups/*/type",
    "/sys/kernel/iommu_groups/*/reserved_regions",
    "/sys/kernel/mm/hugepages/*/nr_hugepages",
    "/sys/kernel/mm/hugepages/*/nr_overcommit_hugepages",
    "/sys/module/kvm*/parameters/*",
    "/sys/module/vfio*/parameters/*",
)
# Vendors ship hundreds of these: only those that say one of WORDS are kept.
VENDOR_GLOBS = (
    "/usr/lib/modprobe.d/*.conf",
    "/usr/lib/udev/rules.d/*.rules",
    "/usr/local/lib/udev/rules.d/*.rules",
    "/run/udev/rules.d/*.rules",
)
WORDS = (b"kvmfr", b"vfio", b"kvm")
FOLDERS = ("/sys/class/iommu", "/sys/class/kvmfr", "/sys/firmware/acpi/tables")
KERNEL_CONFIGS = ("/usr/lib/modules/{}/config", "/boot/config-{}")
NODES = ("/dev/kvm", "/dev/vfio/*", "/dev/kvmfr*", "/dev/shm/looking-glass*")
# Which of them there is decides what a plan made from the capture runs.
BOOT_TOOLS = (
    "/usr/sbin/update-grub",
    "/usr/bin/limine-update",
    "/usr/bin/limine-mkinitcpio",
    "/usr/sbin/mkinitramfs",
    "/usr/sbin/update-initramfs",
    "/usr/bin/dracut",
    "/usr/bin/mkinitcpio",
    "/usr/bin/booster",
    "/usr/bin/tinyramfs",
    "/sbin/mkinitfs",
    "/usr/bin/dracut-rebuild",
    "/usr/bin/reinstall-kernels",
    "/usr/bin/xbps-reconfigure",
)
PCI = "/sys/bus/pci/devices"
PCI_FILES = (
    "uevent",
    "boot_vga",
    "reset_method",
    "driver_override",
    "power_state",
    "power/runtime_status",
    "d3cold_allowed",
    "sriov_totalvfs",
    "sriov_numvfs",
)
LINKS = "/sys/kernel/iommu_groups/*/devices/*"
# Whose they are: the functions that disks, keyboards and networks hang on.
OWNED = ("/sys/class/block/*", "/sys/class/leds/*::capslock", "/sys/class/input/input*")
COMMANDS = (
    ("systemctl", "--version"),
    ("bootc", "--version"),
    ("rpm-ostree", "--version"),
    # Read-only, all three: what a plan for these hosts starts from.
    ("rpm-ostree", "kargs"),
    ("rpm-ostree", "status", "--json"),
    ("grubby", "--info=DEFAULT"),
    ("virsh", "--version"),
    ("qemu-system-x86_64", "--version"),
    ("dmesg",),
)
SUBSYSTEMS = ("kvmfr", "vfio", "drm")
FILE_LIMIT = 64 << 10
# One block for each thread; a configuration of a distribution's kernel.
LARGE_LIMIT = 512 << 10


def collect_fixed_list(host: Recorder) -> None:
    """Ask a recorder for everything on the list; answers are the recorder's."""
    _files(host)
    _kernel_config(host)
    for folder in FOLDERS:
        host.list(folder)
    for path in (*_all_paths(host, NODES), *BOOT_TOOLS):
        host.lstat(path)
    _pci(host)
    for argv in COMMANDS:
        host.run(argv)
    for subsystem in SUBSYSTEMS:
        host.udev_devices(subsystem)


def _files(host: Recorder) -> None:
    for path in FILES:
        host.read_bytes(path, LARGE_LIMIT)
    for path in _all_paths(host, GLOBS):
        host.read_bytes(path, FILE_LIMIT)
    for path in _all_paths(host, VENDOR_GLOBS):
        host.keep_if_said(path, WORDS, FILE_LIMIT)


def _pci(host: Reader) -> None:
    for path in _paths(host, f"{PCI}/*"):
        for name in PCI_FILES:
            host.read_bytes(f"{path}/{name}", FILE_LIMIT)
        host.readlink(path)
        host.readlink(f"{path}/iommu_group")
        host.readlink(path)
    _paths(host, LINKS)
    for path in _all_paths(host, OWNED):
        host.readlink(path)


def _all_paths(host: Reader, patterns: tuple[str, ...]) -> Iterator[str]:
    for pattern in patterns:
        yield from _paths(host, pattern)


def _paths(host: Reader, pattern: str) -> tuple[str, ...]:
    found = host.glob(pattern)
    return () if isinstance(found, Missing) else found


def _kernel_config(host: Reader) -> None:
    """Read the first configuration that the running kernel has."""
    release = read_text(host, "/proc/sys/kernel/osrelease")
    if isinstance(release, Missing):
        return
    for form in KERNEL_CONFIGS:
        found = host.read_bytes(form.format(release.strip()), LARGE_LIMIT)
        if not isinstance(found, Missing):
            return
