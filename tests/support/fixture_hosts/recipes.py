"""Every fixture host. The first one is healthy; most others break one thing."""

from __future__ import annotations

from support.fixture_hosts import looking_glass as lg
from support.fixture_hosts import systems
from support.fixture_hosts.hardware import (
    KVM_WORKS,
    amd_desktop,
    intel_desktop,
    interrupts,
    kvm,
)
from support.fixture_hosts.parts import Parts, Recipe, seat
from vfio_doctor.host.reader import Caller

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
BLUEFIN = "6.12.5-200.fc41.x86_64"
BAZZITE = "6.14.6-105.bazzite.fc42.x86_64"
FEDORA = "6.17.4-300.fc43.x86_64"
DEBIAN = "6.1.0-28-amd64"
ARCH = "6.12.4-arch1-1"


def bluefin(
    arguments: str, following: str = "", systemd: int = 256
) -> tuple[Parts, ...]:
    """Bluefin-DX 41 on an ostree boot."""
    base = f"rw root={systems.ROOT_ID} rootflags=subvol=root quiet rhgb"
    ostree = "ostree=/ostree/boot.1/bluefin/0123abcd/0"
    booted = f"{base} {arguments}".strip()
    return (
        systems.linux(BLUEFIN, systemd, f"{booted} {ostree}", "kvm_intel"),
        systems.people("qemu", **FEDORA_GROUPS),
        systems.os_release(
            name="Bluefin", id="bluefin", id_like="fedora", version_id="41"
        ),
        systems.ublue("bluefin", "dx", 41),
        systems.ostree_boot(
            BLUEFIN,
            "bluefin",
            f"{booted} {ostree}",
            f"{base} {following} {ostree}" if following else "",
        ),
        seat(1000),
    )


def bazzite(arguments: str) -> tuple[Parts, ...]:
    """Bazzite 42 on an ostree boot."""
    booted = (
        f"rw root={systems.ROOT_ID} rootflags=subvol=root quiet {arguments} "
        "ostree=/ostree/boot.1/default/4567cdef/0"
    )
    return (
        systems.linux(BAZZITE, 257, booted, "kvm_amd"),
        systems.people("qemu", **FEDORA_GROUPS),
        systems.os_release(
            name="Bazzite", id="bazzite", id_like="fedora", version_id="42"
        ),
        systems.ublue("bazzite", "main", 42),
        systems.ostree_boot(BAZZITE, "default", booted),
        seat(1000),
    )


def fedora(arguments: str, systemd: int) -> tuple[Parts, ...]:
    """Fedora Workstation 43: boot entries and grubby."""
    line = f"root={systems.ROOT_ID} ro rootflags=subvol=root rhgb quiet {arguments}"
    return (
        systems.linux(
            FEDORA, systemd, f"BOOT_IMAGE=(hd0,gpt2)/vmlinuz {line}", "kvm_intel"
        ),
        systems.people("qemu", **FEDORA_GROUPS),
        systems.os_release(name="Fedora Linux", id="fedora", version_id="43"),
        systems.bls(FEDORA, line),
        seat(1000),
    )


def debian(
    arguments: str, kvm_module: str = "kvm_intel", kvm_loaded: bool = True
) -> tuple[Parts, ...]:
    """Debian 12 with GRUB."""
    line = f"BOOT_IMAGE=/boot/vmlinuz-{DEBIAN} root={systems.ROOT_ID} ro {arguments}"
    return (
        systems.linux(DEBIAN, 252, line, kvm_module, kvm_loaded),
        systems.people("libvirt-qemu", **DEBIAN_GROUPS),
        systems.os_release(name="Debian GNU/Linux", id="debian", version_id="12"),
        systems.grub(DEBIAN, arguments),
        seat(1000),
    )


def arch(arguments: str) -> tuple[Parts, ...]:
    """Arch Linux with systemd-boot."""
    line = f"root=PARTUUID=0f1e2d3c-01 rw {arguments}"
    return (
        systems.linux(ARCH, 257, f"initrd=\\initramfs-linux.img {line}", "kvm_amd"),
        systems.people("libvirt-qemu", **DEBIAN_GROUPS),
        systems.os_release(name="Arch Linux", id="arch"),
        systems.systemd_boot(line),
        seat(1000),
    )


GOOD_RULE = lg.rules("70-kvmfr.rules", lg.RULES_UACCESS.format("qemu"))
GOOD_NODE = lg.node("root", 0, "qemu", 107, acl=True)

HEALTHY = Recipe(
    "healthy-bazzite",
    "a Ryzen 7 board as in facter-001 with the G4 rule of ublue-os/bazzite#3384",
    (
        *amd_desktop(),
        kvm("Y", "N"),
        *bazzite(f"{MSRS} iommu=pt kvmfr.static_size_mb=128"),
        lg.module_file(BAZZITE),
        lg.loaded(GOOD_NODE, tags=("uaccess", "seat")),
        lg.at_boot(),
        GOOD_RULE,
    ),
)

RECIPES = (
    HEALTHY,
    Recipe(
        "healthy-fedora-no-looking-glass",
        "a Core board as in facter-027; plain VFIO, nothing of Looking Glass",
        (
            *intel_desktop(),
            kvm("Y", "N", "kvm_intel"),
            *fedora(f"{MSRS} intel_iommu=on", 258),
        ),
    ),
    Recipe(
        "bluefin-dx-2121",
        "ublue-os/bluefin#2121: the recipe did nothing, the rule names root",
        (
            *intel_desktop(iommu=False),
            kvm("N", "Y", "kvm_intel"),
            *bluefin(""),
            lg.module_file(BLUEFIN),
            lg.rules("99-kvmfr.rules", lg.RULES_99_ROOT),
        ),
    ),
    Recipe(
        "bluefin-dx-root-owner",
        "the comments of ublue-os/bluefin#2121: the script ran under sudo",
        (
            *intel_desktop(),
            kvm("Y", "N", "kvm_intel"),
            *bluefin(f"intel_iommu=on iommu=pt {MSRS} kvmfr.static_size_mb=128"),
            lg.module_file(BLUEFIN),
            lg.loaded(lg.node("root", 0, "qemu", 107)),
            lg.at_boot(),
            lg.rules("99-kvmfr.rules", lg.RULES_99_ROOT),
        ),
    ),
    Recipe(
        "bluefin-dx-reboot-pending",
        "ublue-os/bluefin#2140: arguments are set and staged, not yet booted",
        (
            *intel_desktop(iommu=False),
            kvm("N", "Y", "kvm_intel"),
            *bluefin("", following=f"intel_iommu=on iommu=pt {MSRS}"),
        ),
    ),
    Recipe(
        "bazzite-late-rule",
        "ublue-os/bazzite-dx: the uaccess rule is numbered 99 again",
        (
            *HEALTHY.parts[:-3],
            lg.loaded(lg.node("root", 0, "qemu", 107)),
            lg.at_boot(),
            lg.rules("99-kvmfr.rules", lg.RULES_UACCESS.format("qemu")),
        ),
    ),
    Recipe(
        "bazzite-no-size",
        "ublue-os/bazzite#2024: a dummy modprobe file, and the argument is gone",
        (
            *amd_desktop(),
            kvm("Y", "N"),
            *bazzite(f"{MSRS} iommu=pt"),
            lg.module_file(BAZZITE),
            lg.loaded(None),
            lg.at_boot(),
            Parts(files={"/etc/modprobe.d/kvmfr.conf": lg.DUMMY}),
            GOOD_RULE,
        ),
    ),
    Recipe(
        "bazzite-stray-file",
        "Looking Glass documentation: a VM started before the module",
        (
            *HEALTHY.parts[:-3],
            Parts(
                files={"/dev/kvmfr0": b"\0" * 4096},
                folders=("/sys/class/kvmfr",),
            ),
            lg.at_boot(),
            GOOD_RULE,
        ),
    ),
    Recipe(
        "fedora43-dropped-owner",
        "ublue-os/bazzite#3384: systemd 258 drops the rule that names a person",
        (
            *intel_desktop(),
            kvm("Y", "N", "kvm_intel"),
            *fedora(f"{MSRS} intel_iommu=on kvmfr.static_size_mb=64", 258),
            lg.module_file(FEDORA, signer="akmods key"),
            lg.loaded(lg.node("root", 0, "root", 0, 0o600), 64),
            lg.at_boot(),
            lg.rules("99-kvmfr.rules", lg.RULES_99_ALICE),
        ),
    ),
    Recipe(
        "debian12-grub",
        "corpus cmd-003 and bundle-009: Debian, GRUB, every warning of KVM in the log",
        (
            *intel_desktop(),
            kvm("N", "Y", "kvm_intel"),
            *debian("quiet intel_iommu=on iommu=pt"),
        ),
    ),
    Recipe(
        "debian12-grub-unprivileged",
        "the same host, looked at without root",
        (
            *intel_desktop(),
            kvm("N", "Y", "kvm_intel"),
            *debian("quiet intel_iommu=on iommu=pt"),
        ),
        Caller(1000),
        ("/boot/grub/grub.cfg", "/etc/libvirt/qemu.conf"),
    ),
    Recipe(
        "arch-systemd-boot",
        "corpus bls/arch-gpu-passthrough.conf: Arch, a group that is not there",
        (
            *amd_desktop(),
            kvm("Y", "N"),
            *arch(f"quiet {MSRS} amd_iommu=on iommu=pt"),
            lg.module_file(ARCH, signer=""),
            lg.loaded(lg.node("root", 0, "root", 0, 0o600), 64),
            lg.at_boot(64),
            lg.rules("70-kvmfr.rules", lg.RULES_UACCESS.format("qemu")),
        ),
    ),
    Recipe(
        "iommu-off-in-firmware",
        "corpus facter-007: VT-d off in the firmware, the argument is set",
        (
            *intel_desktop(iommu=False, firmware_on=False),
            kvm("Y", "N", "kvm_intel"),
            *debian(f"quiet intel_iommu=on {MSRS}"),
        ),
    ),
    Recipe(
        "iommu-off-by-argument",
        "ublue-os/bazzite hardware setup: amd_iommu=off on a handheld",
        (
            *amd_desktop(iommu=False),
            kvm("Y", "N"),
            *bazzite(f"{MSRS} amd_iommu=off"),
        ),
    ),
    Recipe(
        "aurora-module-gone",
        "ublue-os/aurora#1239: the image no longer ships the module",
        (
            *amd_desktop(),
            kvm("Y", "N"),
            *bazzite(f"{MSRS} iommu=pt kvmfr.static_size_mb=128"),
            GOOD_RULE,
        ),
    ),
    Recipe(
        "debian12-module-not-loaded",
        "ublue-os/bazzite#2039: installed, nothing loads it",
        (
            *intel_desktop(),
            kvm("Y", "N", "kvm_intel"),
            *debian(f"quiet intel_iommu=on {MSRS}"),
            lg.module_file(DEBIAN, signer="DKMS module signing key"),
            Parts(
                files={
                    "/etc/modprobe.d/kvmfr.conf": "options kvmfr static_size_mb=64\n"
                }
            ),
            lg.rules("70-kvmfr.rules", lg.RULES_UACCESS.format("kvm")),
        ),
    ),
    Recipe(
        "debian12-virtualization-off",
        "F01: SVM is off in the firmware, KVM refuses to load",
        (
            *amd_desktop(),
            *debian(f"quiet {MSRS}", "kvm_amd", kvm_loaded=False),
            Parts(
                files={
                    "/proc/cpuinfo": "processor\t: 0\nvendor_id\t: AuthenticAMD\n"
                    "model name\t: AMD Ryzen 5 3600 6-Core Processor\n"
                    "flags\t\t: fpu vme msr pae sse sse2\n\n",
                    "/proc/modules": "vfio 45056 0 - Live 0x0000000000000000\n",
                },
            ),
        ),
    ),
    Recipe(
        "debian12-interrupt-remapping-off",
        "F06: intremap=off is left over from a guide",
        (
            *intel_desktop(),
            interrupts(remapped=False),
            kvm("Y", "N", "kvm_intel"),
            *debian(f"quiet intel_iommu=on intremap=off {MSRS}"),
        ),
    ),
    Recipe(
        "debian12-kvm-not-loaded",
        "F01: the processor can, the module is not loaded",
        (
            *amd_desktop(),
            *debian(f"quiet {MSRS}", "kvm_amd", kvm_loaded=False),
            Parts(files={"/proc/modules": "vfio 45056 0 - Live 0x0000000000000000\n"}),
        ),
    ),
    Recipe(
        "debian12-kvm-busy",
        "VirtualBox holds the processor's virtualization",
        (
            *amd_desktop(),
            kvm("Y", "N"),
            *debian(f"quiet {MSRS}", "kvm_amd"),
            Parts(
                probes={
                    ("kvm", "/dev/kvm"): KVM_WORKS._replace(
                        values=(("api_version", 12),), error="EBUSY"
                    )
                }
            ),
        ),
    ),
    Recipe(
        "debian12-no-rule",
        "F79: the module is there, nobody wrote a rule",
        (
            *intel_desktop(),
            kvm("Y", "N", "kvm_intel"),
            *debian(f"quiet intel_iommu=on {MSRS}"),
            lg.module_file(DEBIAN, signer=""),
            lg.loaded(lg.node("root", 0, "root", 0, 0o600), 64),
            lg.at_boot(64),
        ),
    ),
    Recipe(
        "debian12-module-missing",
        "F67: the module was built for the kernel before this one",
        (
            *intel_desktop(),
            kvm("Y", "N", "kvm_intel"),
            *debian(f"quiet intel_iommu=on {MSRS}"),
            lg.module_file("6.1.0-25-amd64", signer=""),
            lg.at_boot(64),
            lg.rules("70-kvmfr.rules", lg.RULES_UACCESS.format("kvm")),
        ),
    ),
    Recipe(
        "fedora43-module-rejected",
        "F70: Secure Boot is on, the akmod's key is not enrolled",
        (
            *intel_desktop(),
            kvm("Y", "N", "kvm_intel"),
            *fedora(f"{MSRS} intel_iommu=on", 258),
            lg.module_file(FEDORA, signer=""),
            lg.refused(),
            lg.at_boot(64),
            lg.rules("70-kvmfr.rules", lg.RULES_UACCESS.format("kvm")),
        ),
    ),
    Recipe(
        "bazzite-module-rejected",
        "ublue-os akmods: the ublue key is not enrolled",
        (
            *amd_desktop(),
            kvm("Y", "N"),
            *bazzite(f"{MSRS} iommu=pt kvmfr.static_size_mb=128"),
            lg.module_file(BAZZITE),
            lg.refused(),
            lg.at_boot(),
            GOOD_RULE,
        ),
    ),
    Recipe(
        "fedora43-late-rule",
        "ublue-os/bazzite-dx G5 on systemd 258: tagged too late, nobody gets in",
        (
            *intel_desktop(),
            kvm("Y", "N", "kvm_intel"),
            *fedora(f"{MSRS} intel_iommu=on kvmfr.static_size_mb=64", 258),
            lg.module_file(FEDORA, signer="akmods key"),
            lg.loaded(lg.node("root", 0, "qemu", 107), 64),
            lg.at_boot(),
            lg.rules("99-kvmfr.rules", lg.RULES_UACCESS.format("qemu")),
        ),
    ),
    Recipe(
        "arch-unknown-group",
        "a rule copied from Fedora: the group qemu is not there",
        (
            *amd_desktop(),
            kvm("Y", "N"),
            *arch(f"quiet {MSRS} iommu=pt"),
            lg.module_file(ARCH, signer=""),
            lg.loaded(lg.node("root", 0, "root", 0, 0o660), 64),
            lg.at_boot(64),
            lg.rules("70-kvmfr.rules", lg.RULES_GROUP.format("qemu")),
        ),
    ),
    Recipe(
        "debian12-x2apic-opt-out",
        "F06: the firmware opts out, no argument is to blame",
        (
            *intel_desktop(),
            interrupts(remapped=False),
            kvm("Y", "N", "kvm_intel"),
            *debian(f"quiet intel_iommu=on {MSRS}"),
        ),
    ),
    Recipe(
        "debian12-foreign-module",
        "F69: built for another kernel and copied over",
        (
            *intel_desktop(),
            kvm("Y", "N", "kvm_intel"),
            *debian(f"quiet intel_iommu=on {MSRS}"),
            lg.module_file(DEBIAN, signer="", built_for="6.1.0-25-amd64"),
            lg.at_boot(64),
        ),
    ),
    Recipe(
        "bazzite-foreign-module",
        "ublue.md section 11: kernel and module differ after a rebase",
        (
            *amd_desktop(),
            kvm("Y", "N"),
            *bazzite(f"{MSRS} iommu=pt kvmfr.static_size_mb=128"),
            lg.module_file(BAZZITE, built_for="6.14.4-102.bazzite.fc42.x86_64"),
            lg.at_boot(),
        ),
    ),
    Recipe(
        "debian12-softdep",
        "a softdep of kvm loads kvmfr: no list is needed",
        (
            *intel_desktop(),
            kvm("Y", "N", "kvm_intel"),
            *debian(f"quiet intel_iommu=on {MSRS}"),
            lg.module_file(DEBIAN, signer=""),
            lg.loaded(lg.node("root", 0, "kvm", 104, acl=True), 64),
            lg.rules("70-kvmfr.rules", lg.RULES_UACCESS.format("kvm")),
            Parts(
                files={
                    "/etc/modprobe.d/kvmfr.conf": "softdep kvm post: kvmfr\n"
                    "options kvmfr static_size_mb=64\n"
                }
            ),
        ),
    ),
    Recipe(
        "bazzite-odd-size",
        "a size that was worked out by hand: QEMU takes powers of two only",
        (*HEALTHY.parts, *bazzite(f"{MSRS} iommu=pt kvmfr.static_size_mb=100")),
    ),
    Recipe(
        "debian12-rule-never-read",
        "the name of the rule file lacks its last letter",
        (
            *intel_desktop(),
            kvm("Y", "N", "kvm_intel"),
            *debian(f"quiet intel_iommu=on {MSRS}"),
            lg.module_file(DEBIAN, signer=""),
            lg.loaded(lg.node("root", 0, "root", 0, 0o600), 64),
            lg.at_boot(64),
            lg.rules("99-kvmfr.rule", lg.RULES_UACCESS.format("kvm")),
        ),
    ),
)
