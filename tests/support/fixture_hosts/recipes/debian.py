"""Debian 12 with GRUB, on a Core board, and on a Ryzen board."""

from __future__ import annotations

from support.fixture_hosts import looking_glass as lg
from support.fixture_hosts import systems
from support.fixture_hosts.hardware import (
    KVM_WORKS,
    amd_desktop,
    instead,
    intel_desktop,
    interrupts,
    kvm,
    kvm_not_loaded,
)
from support.fixture_hosts.parts import Parts, Recipe, file, gone, seat
from support.fixture_hosts.systems import MSRS
from vfio_doctor.host.reader import Caller

KERNEL = "6.1.0-28-amd64"


def debian(arguments: str, kvm_module: str = "kvm_intel") -> tuple[Parts, ...]:
    """Debian 12 with GRUB."""
    return (
        systems.linux(KERNEL, 252, booted(arguments), kvm_module),
        systems.people("libvirt-qemu", **systems.DEBIAN_GROUPS),
        systems.os_release(name="Debian GNU/Linux", id="debian", version_id="12"),
        systems.grub(KERNEL, arguments),
        seat(1000),
    )


def booted(arguments: str) -> str:
    """Return the running kernel's arguments."""
    return f"BOOT_IMAGE=/boot/vmlinuz-{KERNEL} root={systems.ROOT_ID} ro {arguments}"


def with_arguments(arguments: str) -> tuple[Parts, ...]:
    """Other arguments than a Debian host had so far, now and at the next boot."""
    line = file("/proc/cmdline", f"{booted(arguments)}\n")
    return (line, systems.grub(KERNEL, arguments))


NOT_AT_BOOT = gone("/etc/modules-load.d/kvmfr.conf")
SVM_OFF = (
    "processor\t: 0\nvendor_id\t: AuthenticAMD\n"
    "model name\t: AMD Ryzen 5 3600 6-Core Processor\n"
    "flags\t\t: fpu vme msr pae sse sse2\n\n"
)

PLAIN = Recipe(
    "healthy-debian12",
    "a Core board as in facter-027; plain VFIO, nothing of Looking Glass",
    (
        *intel_desktop(),
        kvm("Y", "N", "kvm_intel"),
        *debian(f"quiet intel_iommu=on {MSRS}"),
    ),
)
AMD = Recipe(
    "healthy-debian12-amd",
    "a Ryzen 7 board as in facter-001; plain VFIO, nothing of Looking Glass",
    (*amd_desktop(), kvm("Y", "N"), *debian(f"quiet {MSRS}", "kvm_amd")),
)
HEALTHY = Recipe(
    "healthy-debian12-looking-glass",
    "the same with the module from DKMS, and a rule that lets alice in",
    (
        *PLAIN.parts,
        lg.module_file(KERNEL, signer=""),
        lg.loaded(lg.node("root", 0, "kvm", 104, acl=True), 64, ("uaccess", "seat")),
        lg.at_boot(64),
        lg.rules(lg.RULE_NAME, lg.RULES_UACCESS.format("kvm")),
    ),
)
GRUB = PLAIN.but(
    "debian12-grub",
    "corpus cmd-003 and bundle-009: Debian, GRUB, every warning of KVM in the log",
    kvm("N", "Y", "kvm_intel"),
    *with_arguments("quiet intel_iommu=on iommu=pt"),
)
BOARD = (
    PLAIN,
    AMD,
    GRUB,
    GRUB.but(
        "debian12-grub-unprivileged",
        "the same host, looked at without root",
        caller=Caller(1000),
        denied=("/boot/grub/grub.cfg", "/etc/libvirt/qemu.conf"),
    ),
    PLAIN.but(
        "iommu-off-in-firmware",
        "corpus facter-007: VT-d off in the firmware, the argument is set",
        *instead(intel_desktop(iommu=False, firmware_on=False)),
    ),
    PLAIN.but(
        "debian12-interrupt-remapping-off",
        "F06: intremap=off is left over from a guide",
        interrupts(remapped=False),
        *with_arguments(f"quiet intel_iommu=on intremap=off {MSRS}"),
    ),
    PLAIN.but(
        "debian12-x2apic-opt-out",
        "F06: the firmware opts out, no argument is to blame",
        interrupts(remapped=False),
    ),
    AMD.but(
        "debian12-virtualization-off",
        "F01: SVM is off in the firmware, KVM refuses to load",
        kvm_not_loaded(),
        file("/proc/cpuinfo", SVM_OFF),
    ),
    AMD.but(
        "debian12-kvm-not-loaded",
        "F01: the processor can, the module is not loaded",
        kvm_not_loaded(),
    ),
    AMD.but(
        "debian12-kvm-busy",
        "VirtualBox holds the processor's virtualization",
        Parts(
            probes={
                ("kvm", "/dev/kvm"): KVM_WORKS._replace(
                    values=(("api_version", 12),), error="EBUSY"
                )
            }
        ),
    ),
)
LOOKING_GLASS = (
    HEALTHY,
    HEALTHY.but(
        "debian12-module-not-loaded",
        "ublue-os/bazzite#2039: installed, nothing loads it",
        lg.not_loaded(),
        NOT_AT_BOOT,
        lg.module_file(KERNEL, signer="DKMS module signing key"),
    ),
    HEALTHY.but(
        "debian12-no-rule",
        "F79: the module is there, nobody wrote a rule",
        lg.loaded(lg.node("root", 0, "root", 0, 0o600), 64),
        lg.no_rule(),
    ),
    HEALTHY.but(
        "debian12-rule-never-read",
        "the name of the rule file lacks its last letter",
        lg.loaded(lg.node("root", 0, "root", 0, 0o600), 64),
        lg.rules("99-kvmfr.rule", lg.RULES_UACCESS.format("kvm")),
    ),
    PLAIN.but(
        "debian12-module-missing",
        "F67: the module was built for the kernel before this one",
        lg.module_file("6.1.0-25-amd64", signer=""),
        lg.at_boot(64),
        lg.rules(lg.RULE_NAME, lg.RULES_UACCESS.format("kvm")),
    ),
    HEALTHY.but(
        "debian12-foreign-module",
        "F69: built for another kernel and copied over",
        lg.not_loaded(),
        lg.no_rule(),
        lg.module_file(KERNEL, signer="", built_for="6.1.0-25-amd64"),
    ),
    HEALTHY.but(
        "debian12-softdep",
        "a softdep of kvm loads kvmfr: no list is needed",
        NOT_AT_BOOT,
        file(
            "/etc/modprobe.d/kvmfr.conf",
            "softdep kvm post: kvmfr\noptions kvmfr static_size_mb=64\n",
        ),
    ),
)
HOSTS = (*BOARD, *LOOKING_GLASS)
