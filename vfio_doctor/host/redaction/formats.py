"""Which file has which format. What stands in no row does not leave the host."""

from __future__ import annotations

import re
from fnmatch import translate
from typing import TYPE_CHECKING

from vfio_doctor.host.redaction import (
    accounts,
    arguments,
    boot_entries,
    confinement,
    devices,
    efi_keys,
    forms,
    kernel_files,
    libvirt,
    module_files,
    passthrough,
    scrub,
    shell_files,
    systems,
    udev_rules,
)
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from vfio_doctor.host.redaction.accounts import Needed
    from vfio_doctor.host.redaction.names import Names

    Text = Callable[[str, Names], str]
    Binary = Callable[[bytes, Names], bytes]


class Row(NamedTuple):
    """The paths of one format (``*`` stands for any text) and what redacts it."""

    paths: tuple[str, ...]
    text: Text | None = None
    binary: Binary | None = None


PLACES = frozenset(
    ("/", "/boot", "/boot/efi", "/efi", "/home", "/usr", "/var", "/sysroot")
)
FILE_SYSTEMS = frozenset(
    ("ext4", "ext3", "xfs", "btrfs", "vfat", "zfs", "f2fs", "bcachefs")
)
SHARES = frozenset(
    ("nfs", "nfs4", "cifs", "smb3", "ceph", "fuse.glusterfs", "9p", "afs", "lustre")
)
# What the system itself needs may lie below these.
OWN = ("home", "usr", "var")


def parameter_file(text: str, names: Names) -> str:
    """Return a module's parameter below ``/sys/module``."""
    body = text.strip()
    before, after = text.split(body, 1) if body else (text, "")
    return before + arguments.parameter_value(body, names) + after


# The kernel counts pages of 1 GiB in MiB.
PAGE = re.compile(r"\bpagesize=[0-9]{1,6}[KMG]\b")


def mounts(text: str, names: Names) -> str:
    """Return the mounts of huge pages and disks: a disk in use stays with the host.

    Shares are nobody's business, but for those that the system itself or its homes lie
    on; nor is what volumes and places are called.
    """
    lines = text.splitlines()
    kept = [shown for line in lines if (shown := _mount(line, names))]
    names.leave_out("mount", len(lines) - len(kept))
    return "".join(f"{line}\n" for line in kept)


def _mount(line: str, names: Names) -> str:
    words = line.split()
    if "hugetlbfs" in words:
        size = PAGE.search(line)
        shown = scrub.words(line, names)
        if size is None or size[0] in shown:
            return shown
        return f"hugetlbfs /dev/hugepages hugetlbfs rw,{size[0]} 0 0"
    if len(words) < 3:
        return ""
    if words[2] in SHARES:
        place = _place(words[1], names)
        return f"share {place} {words[2]} rw 0 0" if place else ""
    if not (words[0].startswith("/dev/") or words[2] == "zfs"):
        return ""
    parts = (arguments.disk(part, names) for part in re.split(":(?=/dev/)", words[0]))
    device = ":".join(parts) if words[2] != "zfs" else "pool"
    place = words[1]
    if place not in PLACES:
        place = f"/{names.hidden(place.lstrip('/'))}"
    kind = words[2] if words[2] in FILE_SYSTEMS else "ext4"
    return f"{device} {place} {kind} rw 0 0"


def _place(text: str, names: Names) -> str:
    """Return where a share is mounted, "" if the system can do without it."""
    if text in PLACES:
        return text
    top, _, rest = text.lstrip("/").partition("/")
    return f"/{top}/{names.hidden(rest)}" if top in OWN and rest else ""


def cgroups(text: str, names: Names) -> str:
    """Return a cgroup file: which kind of container, if any."""
    return "".join(f"{forms.in_parts(line, names)}\n" for line in text.splitlines())


def tmpfiles(text: str, names: Names) -> str:
    """Return a file of tmpfiles.d: what is made for shared memory, and whose."""
    return "\n".join(_tmpfile(line, names) for line in text.split("\n"))


def _tmpfile(line: str, names: Names) -> str:
    words = line.split()
    if not words or words[0].startswith("#"):
        return "#" if words else ""
    shown = [scrub.word(word, names) for word in words[:3]]
    shown += [_owner(word, "user", names) for word in words[3:4]]
    shown += [_owner(word, "group", names) for word in words[4:5]]
    return " ".join((*shown, *(scrub.word(word, names) for word in words[5:])))


def _owner(word: str, kind: str, names: Names) -> str:
    """Return an owner; of numbers those are kept that accounts of one host have."""
    if word == "-":
        return word
    if word.isdigit() and not forms.is_number(word):
        return names.name(kind, word)
    return names.account(word) if kind == "user" else names.group(word)


ROWS = (
    Row(
        (
            "/proc/cmdline",
            "/etc/kernel/cmdline",
            "/usr/lib/kernel/cmdline",
            "/etc/cmdline.d/*.conf",
            "/nix/var/nix/profiles/system/kernel-params",
        ),
        boot_entries.argument_file,
    ),
    Row(("/proc/cpuinfo",), kernel_files.cpuinfo),
    Row(("/proc/interrupts",), kernel_files.interrupts),
    Row(("/proc/iomem",), kernel_files.addresses),
    Row(("/proc/modules",), module_files.loaded),
    Row(("/proc/meminfo",), kernel_files.memory),
    Row(("/proc/mounts",), mounts),
    Row(("/proc/1/cgroup",), cgroups),
    Row(("/proc/sys/kernel/hostname", "/etc/hostname"), systems.name_of_host),
    Row(
        (
            "/proc/sys/kernel/*",
            "/run/systemd/container",
            "/run/host/container-manager",
            "/sys/hypervisor/type",
            "/sys/kernel/security/lockdown",
            "/sys/fs/selinux/enforce",
            "/usr/lib/modules/*/pkgbase",
            "/lib/modules/*/pkgbase",
        ),
        systems.words,
    ),
    Row(
        ("/boot/config-*", "/usr/lib/modules/*/config", "/lib/modules/*/config"),
        kernel_files.kernel_config,
    ),
    Row(("*/modules.dep", "*/modules.builtin"), module_files.index),
    Row(("/sys/module/*/parameters/*",), parameter_file),
    Row(
        (
            "/sys/module/*/version",
            "/sys/module/*/initstate",
            "/sys/class/kvmfr/*",
            "/sys/class/drm/*/modes",
            "/sys/kernel/iommu_groups/*",
            "/sys/kernel/mm/hugepages/*",
            "/sys/devices/system/cpu/*",
            "/sys/devices/system/node/*",
            "/sys/devices/cpu_core/cpus",
            "/sys/devices/cpu_atom/cpus",
        ),
        systems.words,
    ),
    Row(
        ("/sys/class/iommu/*/intel-iommu/*", "/sys/class/iommu/*/amd-iommu/*"),
        kernel_files.capability,
    ),
    Row(("/sys/class/input/*/capabilities/key",), kernel_files.keys),
    Row(
        ("/sys/class/drm/*/status", "/sys/class/drm/*/enabled"),
        passthrough.connector,
    ),
    Row(("/sys/bus/pci/devices/*/uevent",), devices.uevent),
    Row(("/sys/bus/pci/devices/*/config",), binary=devices.header),
    Row(("/sys/bus/pci/devices/*",), systems.words),
    Row(
        tuple(
            f"/sys/class/dmi/id/{name}"
            for name in ("board_name", "board_vendor", "product_name", "sys_vendor")
        ),
        systems.board,
    ),
    Row(("/sys/firmware/acpi/tables/*",), binary=kernel_files.acpi_table),
    Row(("/sys/firmware/efi/efivars/SecureBoot-*",), binary=kernel_files.switch),
    Row(
        (
            "/sys/firmware/efi/efivars/MokListRT-*",
            "/sys/firmware/efi/efivars/db-*",
        ),
        binary=efi_keys.variable,
    ),
    Row(("/sys/firmware/efi/mok-variables/MokListRT",), binary=efi_keys.listed),
    Row(
        ("/sys/firmware/efi/efivars/*-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f",),
        binary=kernel_files.firmware_variable,
    ),
    Row(("/etc/os-release", "/usr/lib/os-release"), systems.os_release),
    Row(("/usr/share/ublue-os/image-info.json",), systems.json_text),
    Row(("/run/ostree/staged-deployment",), binary=boot_entries.staged),
    Row(("/run/systemd/seats/*",), accounts.seat),
    Row(
        (
            "/etc/default/grub",
            "/etc/default/grub.d/*",
            "/etc/default/limine",
            "/etc/limine-entry-tool.conf",
            "/etc/limine-entry-tool.d/*.conf",
            "/etc/dracut.conf",
            "/etc/dracut.conf.d/*.conf",
            "/usr/lib/dracut/dracut.conf.d/*",
            "/etc/mkinitcpio.conf",
            "/etc/mkinitcpio.conf.d/*",
            "/etc/conf.d/modules",
            "/etc/selinux/config",
        ),
        shell_files.shell_file,
    ),
    Row(("/etc/booster.yaml",), module_files.booster),
    Row(("/boot/grub/grub.cfg", "/boot/grub2/grub.cfg"), boot_entries.grub_menu),
    Row(("/boot/grub/grubenv", "/boot/grub2/grubenv"), boot_entries.grub_environment),
    Row(
        (
            "*/loader/entries/*.conf",
            "*/loader/loader.conf",
            "/boot/syslinux/syslinux.cfg",
        ),
        boot_entries.entry,
    ),
    Row(("*/limine.conf",), boot_entries.limine),
    Row(("/etc/kernelstub/configuration",), boot_entries.kernelstub),
    Row(("/usr/lib/bootc/kargs.d/*.toml",), boot_entries.kargs_toml),
    Row(("*/udev/rules.d/*",), udev_rules.rules),
    Row(("*/modprobe.d/*", "/etc/modprobe/*"), module_files.modprobe),
    Row(
        (
            "*/modules-load.d/*",
            "/etc/modules-load/*",
            "/etc/initramfs-tools/modules",
            "/etc/modules",
        ),
        module_files.module_list,
    ),
    Row(("/etc/libvirt/qemu.conf", "/var/lib/libvirt/qemu.conf"), libvirt.qemu_conf),
    Row(
        (
            "/etc/libvirt/qemu/*.xml",
            "*/.config/libvirt/qemu/*.xml",
            "*/.var/app/*/config/libvirt/qemu/*.xml",
        ),
        libvirt.domain,
    ),
    Row(
        (
            "/etc/initramfs-tools/hooks/*",
            "/etc/initcpio/install/*",
            "/usr/lib/dracut/modules.d/*/module-setup.sh",
        ),
        passthrough.image_hook,
    ),
    Row(
        (
            "/etc/initramfs-tools/scripts/*",
            "/etc/libvirt/hooks/*",
            "/etc/rc.local",
            "/etc/local.d/*.start",
            "/etc/init.d/*",
            "/etc/sv/*/run",
            "/etc/runit/core-services/*.sh",
            "/etc/dinit.d/*",
            "/boot/config/go",
            "/etc/initcpio/hooks/*",
            "/usr/*bin/*vfio*",
            "/*bin/*vfio*",
        ),
        passthrough.script,
    ),
    Row(("/etc/pve/qemu-server/*.conf",), passthrough.proxmox),
    Row(("/etc/pve/mapping/pci.cfg",), passthrough.pve_mappings),
    Row(("/boot/config/vfio-pci.cfg",), passthrough.unraid),
    Row(("*/systemd/system/*.service*",), passthrough.unit),
    Row(("/etc/driverctl.d/*",), systems.words),
    Row(("/var/lib/vfio-doctor/groups",), passthrough.groups),
    Row(("/etc/sysfs.conf", "/etc/sysfs.d/*.conf"), passthrough.sysfs),
    Row(("/etc/sysctl.conf", "*/sysctl.d/*.conf"), passthrough.settings),
    Row(("/proc/net/route",), passthrough.routes),
    Row(("/proc/swaps",), passthrough.swaps),
    Row(
        (
            "/etc/looking-glass-client.ini",
            "*/.config/looking-glass/client.ini",
            "*/.looking-glass-client.ini",
        ),
        libvirt.client_configuration,
    ),
    Row(("/etc/tmpfiles.d/*", "/usr/lib/tmpfiles.d/*"), tmpfiles),
    Row(("/etc/apparmor.d/*",), confinement.apparmor),
    Row(("/sys/kernel/security/apparmor/profiles",), confinement.profiles),
)
# What modprobe.d runs in place of loading a module, wherever that lies.
_SCRIPT = Row((), passthrough.script)
_ACCOUNTS = {
    "/etc/passwd": accounts.passwd,
    "/usr/lib/passwd": accounts.passwd,
    "/etc/group": accounts.group,
    "/usr/lib/group": accounts.group,
}
_COMPILED = tuple(
    (re.compile("|".join(map(translate, row.paths))), row) for row in ROWS
)


def file(path: str, data: bytes, names: Names, need: Needed) -> bytes | None:
    """Return a file's content as far as it is harmless; None for no known format."""
    if not data:
        return data
    if path in _ACCOUNTS:
        return _coded(data, lambda text: _ACCOUNTS[path](text, names, need))
    row = next((row for pattern, row in _COMPILED if pattern.match(path)), None)
    if row is None and path in names.scripts:
        row = _SCRIPT
    if row is None:
        return None
    if row.binary is not None:
        return row.binary(data, names)
    assert row.text is not None
    put = row.text
    return _coded(data, lambda text: put(text, names))


def _coded(data: bytes, put: Callable[[str], str]) -> bytes:
    text = data.decode("utf-8", "surrogateescape")
    return put(text).encode("utf-8", "surrogateescape")
