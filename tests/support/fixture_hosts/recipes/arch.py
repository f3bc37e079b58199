"""Arch Linux with systemd-boot, a Ryzen board, Looking Glass."""

from __future__ import annotations

from support.fixture_hosts import looking_glass as lg
from support.fixture_hosts import systems
from support.fixture_hosts.hardware import amd_desktop, kvm
from support.fixture_hosts.parts import Parts, Recipe, seat
from support.fixture_hosts.systems import MSRS

KERNEL = "6.12.4-arch1-1"


def arch(arguments: str) -> tuple[Parts, ...]:
    """Arch Linux with systemd-boot."""
    line = f"root=PARTUUID=0f1e2d3c-01 rw {arguments}"
    return (
        systems.linux(KERNEL, 257, f"initrd=\\initramfs-linux.img {line}", "kvm_amd"),
        systems.people("libvirt-qemu", **systems.DEBIAN_GROUPS),
        systems.os_release(name="Arch Linux", id="arch"),
        systems.systemd_boot(line),
        seat(1000),
    )


HEALTHY = Recipe(
    "healthy-arch",
    "corpus bls/arch-gpu-passthrough.conf with a group that is there",
    (
        *amd_desktop(),
        kvm("Y", "N"),
        *arch(f"quiet {MSRS} iommu=pt"),
        lg.module_file(KERNEL, signer=""),
        lg.loaded(lg.node("root", 0, "kvm", 104, acl=True), 64, ("uaccess", "seat")),
        lg.at_boot(64),
        lg.rules(lg.RULE_NAME, lg.RULES_UACCESS.format("kvm")),
    ),
)
HOSTS = (
    HEALTHY,
    HEALTHY.but(
        "arch-systemd-boot",
        "corpus bls/arch-gpu-passthrough.conf: Arch, a group that is not there",
        *arch(f"quiet {MSRS} amd_iommu=on iommu=pt"),
        lg.module_file(KERNEL, signer=""),
        lg.loaded(lg.node("root", 0, "root", 0, 0o600), 64),
        lg.rules(lg.RULE_NAME, lg.RULES_UACCESS.format("qemu")),
    ),
    HEALTHY.but(
        "arch-unknown-group",
        "a rule copied from Fedora: the group qemu is not there",
        lg.loaded(lg.node("root", 0, "root", 0, 0o660), 64),
        lg.rules(lg.RULE_NAME, lg.RULES_GROUP.format("qemu")),
    ),
)
