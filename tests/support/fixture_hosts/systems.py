"""Distributions: what they ship, who lives there, how they boot."""

from __future__ import annotations

import json

from support import hosts
from support.fixture_hosts.parts import Parts, group_file, passwd_file

SEAT_RULES = {
    "50-udev-default.rules": 'KERNEL=="kvm", GROUP="kvm", MODE="0666", '
    'OPTIONS+="static_node=kvm"\n',
    "70-uaccess.rules": 'SUBSYSTEM=="drm", KERNEL=="card*", TAG+="uaccess"\n',
    "73-seat-late.rules": 'TAG=="uaccess", ENV{MAJOR}!="", RUN{builtin}+="uaccess"\n',
}
MSRS = "kvm.ignore_msrs=1 kvm.report_ignored_msrs=0"
FEDORA_GROUPS = {
    "kvm": (36, "qemu"),
    "qemu": (107, ""),
    "libvirt": (986, "alice"),
}
DEBIAN_GROUPS = {
    "kvm": (104, "libvirt-qemu"),
    "libvirt-qemu": (64055, ""),
    "libvirt": (121, "alice"),
}
ROOT_ID = "UUID=0f1e2d3c-0001-4000-8000-000000000001"
MODULES = (
    "{kvm} 167936 0 - Live 0x0000000000000000\n"
    "kvm 1191936 1 {kvm}, Live 0x0000000000000000\n"
    "vfio_pci 16384 0 - Live 0x0000000000000000\n"
)


def linux(
    release: str, systemd: int | str, cmdline: str, kvm: str, loaded: bool = True
) -> Parts:
    """What every system has: a kernel, its arguments, systemd with its rules.

    ``loaded`` says whether KVM's modules are.
    """
    modules = ("/sys/module/kvm", f"/sys/module/{kvm}") if loaded else ("/sys/module",)
    return Parts(
        files={
            "/proc/cmdline": f"{cmdline}\n",
            "/proc/sys/kernel/osrelease": f"{release}\n",
            "/proc/sys/kernel/random/boot_id": "b0000000-0000-4000-8000-00000000b001\n",
            "/proc/modules": MODULES.format(kvm=kvm),
            f"/lib/modules/{release}/modules.builtin": "kernel/drivers/pci/pci.ko\n",
            f"/lib/modules/{release}/modules.dep": "kernel/drivers/vfio/vfio.ko.xz:\n",
            "/sys/kernel/security/lockdown": "[none] integrity confidentiality\n",
            f"/usr/lib/systemd/libsystemd-shared-{systemd}.so": "",
            **{f"/usr/lib/udev/rules.d/{n}": text for n, text in SEAT_RULES.items()},
        },
        folders=(
            "/dev",
            "/etc/modprobe.d",
            "/etc/modules-load.d",
            "/etc/udev/rules.d",
            "/run/udev",
            *modules,
            "/usr/lib/modprobe.d",
            "/usr/lib/modules-load.d",
            "/home/alice",
        ),
    )


def people(account: str, /, **groups: tuple[int, str]) -> Parts:
    """Root, the desktop user alice and the account that QEMU runs under."""
    return Parts(
        files={
            "/etc/passwd": passwd_file(
                root=(0, 0, "/root"),
                alice=(1000, 1000, "/home/alice"),
                **({account: (107, groups[account][0], "/")}),
            ),
            "/etc/group": group_file(root=(0, ""), alice=(1000, ""), **groups),
        }
    )


def os_release(**fields: str) -> Parts:
    """Return ``/etc/os-release`` and its vendor copy."""
    text = "".join(f'{key.upper()}="{value}"\n' for key, value in fields.items())
    return Parts(files={"/etc/os-release": text, "/usr/lib/os-release": text})


def ublue(name: str, flavor: str, fedora: int, extra: str = "") -> Parts:
    """A Universal Blue image's own description of itself."""
    info = {
        "image-name": f"{name}-dx" if flavor == "dx" else name,
        "image-flavor": flavor,
        "image-vendor": "ublue-os",
        "image-ref": f"ostree-image-signed:docker://ghcr.io/ublue-os/{name}-dx",
        "image-tag": "stable",
        "base-image-name": "silverblue",
        "fedora-version": str(fedora),
    }
    text = json.dumps(info, indent=2) + "\n"
    return Parts(files={"/usr/share/ublue-os/image-info.json": text})


def ostree_boot(release: str, name: str, booted: str, following: str = "") -> Parts:
    """An ostree host: two deployments, boot entries, rpm-ostree that answers.

    ``following`` are the arguments of a staged deployment, where there is one.
    """
    deployments = [_deployment(name, "1", booted=True), _deployment(name, "0")]
    if following:
        deployments.insert(0, _deployment(name, "2", staged=True))
    status = json.dumps({"deployments": deployments, "transaction": None}, indent=1)
    kargs = following or booted
    boot = "/boot/loader/entries"
    entry = (
        "title Fedora Linux (ostree:{n})\nversion {v}\noptions {options}\n"
        f"linux /ostree/{name}-{'d' * 8}/vmlinuz-{release}\n"
        f"initrd /ostree/{name}-{'d' * 8}/initramfs-{release}.img\n"
    )
    runtime = {"/run/ostree-booted": ""}
    if following:
        runtime["/run/ostree/staged-deployment"] = "staged"
    return Parts(
        files={
            **runtime,
            f"{boot}/ostree-1.conf": entry.format(n=1, v=1, options=booted),
            f"{boot}/ostree-2.conf": entry.format(n=0, v=2, options=booted),
            "/usr/bin/rpm-ostree": "",
            "/usr/bin/bootc": "",
        },
        commands={
            argv: hosts.ran(argv, text)
            for argv, text in (
                (("rpm-ostree", "status", "--json"), f"{status}\n"),
                (("rpm-ostree", "kargs"), f"{kargs}\n"),
                (("bootc", "--version"), "bootc 1.1.3\n"),
            )
        },
    )


def _deployment(
    name: str, serial: str, booted: bool = False, staged: bool = False
) -> dict[str, object]:
    return {
        "id": f"{name}-{serial * 64}.0",
        "osname": name,
        "checksum": serial * 64,
        "serial": 0,
        "booted": booted,
        "staged": staged,
        "pinned": False,
        "version": f"41.2025010{serial}.0",
        "regenerate-initramfs": False,
        "container-image-reference": f"ostree-image-signed:docker://ghcr.io/ublue-os/{name}-dx:stable",
        "requested-packages": [],
    }


def grub(release: str, arguments: str) -> Parts:
    """Debian's GRUB: what is configured and the menu made from it."""
    linux_line = f"/boot/vmlinuz-{release} root={ROOT_ID} ro {arguments}"
    return Parts(
        files={
            "/etc/default/grub": "GRUB_DEFAULT=0\nGRUB_TIMEOUT=5\n"
            f'GRUB_CMDLINE_LINUX_DEFAULT="{arguments}"\nGRUB_CMDLINE_LINUX=""\n',
            "/boot/grub/grub.cfg": 'set default="0"\n'
            "menuentry 'Debian GNU/Linux' --class debian {\n"
            f"\tlinux\t{linux_line}\n\tinitrd\t/boot/initrd.img-{release}\n}}\n",
            f"/boot/vmlinuz-{release}": "",
            "/usr/sbin/update-grub": "",
            "/usr/sbin/grub-mkconfig": "",
        }
    )


def systemd_boot(arguments: str) -> Parts:
    """Arch with systemd-boot: one entry, named by the loader's configuration."""
    return Parts(
        files={
            "/boot/loader/loader.conf": "default arch.conf\ntimeout 3\n",
            "/boot/loader/entries/arch.conf": "title Arch Linux\n"
            "linux /vmlinuz-linux\ninitrd /initramfs-linux.img\n"
            f"options {arguments}\n",
            "/usr/bin/bootctl": "",
            "/boot/EFI/systemd/systemd-bootx64.efi": "",
            "/boot/EFI/BOOT/BOOTX64.EFI": "",
            "/sys/firmware/efi/efivars/"
            "LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f": "\x07\0\0\0"
            "s\0y\0s\0t\0e\0m\0d\0-\0b\0o\0o\0t\0 \x002\x005\x007\0",
        }
    )


def bls(release: str, arguments: str) -> Parts:
    """Fedora Workstation: boot entries that grubby edits."""
    return Parts(
        files={
            f"/boot/loader/entries/{'a' * 32}-{release}.conf": "title Fedora Linux\n"
            f"version {release}\nlinux /vmlinuz-{release}\n"
            f"initrd /initramfs-{release}.img\noptions {arguments}\n",
            "/boot/grub2/grubenv": "# GRUB Environment Block\n"
            f"saved_entry={'a' * 32}-{release}\n",
            "/etc/default/grub": f'GRUB_CMDLINE_LINUX="{arguments}"\n'
            "GRUB_ENABLE_BLSCFG=true\n",
            "/etc/kernel/cmdline": f"{arguments}\n",
            "/usr/sbin/grubby": "",
        }
    )
