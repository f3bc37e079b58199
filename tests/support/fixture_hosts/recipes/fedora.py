"""Fedora Workstation 43: boot entries and grubby, systemd 258, a Core board."""

from __future__ import annotations

from support.fixture_hosts import looking_glass as lg
from support.fixture_hosts import systems
from support.fixture_hosts.hardware import intel_desktop, kvm
from support.fixture_hosts.parts import Parts, Recipe, seat
from support.fixture_hosts.systems import MSRS

KERNEL = "6.17.4-300.fc43.x86_64"


def fedora(arguments: str, systemd: int | str = "258.4-1.fc43") -> tuple[Parts, ...]:
    """Fedora Workstation 43: boot entries and grubby."""
    line = f"root={systems.ROOT_ID} ro rootflags=subvol=root rhgb quiet {arguments}"
    return (
        systems.linux(
            KERNEL, systemd, f"BOOT_IMAGE=(hd0,gpt2)/vmlinuz {line}", "kvm_intel"
        ),
        systems.people("qemu", **systems.FEDORA_GROUPS),
        systems.os_release(name="Fedora Linux", id="fedora", version_id="43"),
        systems.bls(KERNEL, line),
        seat(1000),
    )


PLAIN = Recipe(
    "healthy-fedora-no-looking-glass",
    "a Core board as in facter-027; plain VFIO, nothing of Looking Glass",
    (
        *intel_desktop(),
        kvm("Y", "N", "kvm_intel"),
        *fedora(f"{MSRS} intel_iommu=on"),
    ),
)
HEALTHY = Recipe(
    "healthy-fedora",
    "the same with the akmod, and the rule of ublue-os/bazzite#3384",
    (
        *PLAIN.parts,
        *fedora(f"{MSRS} intel_iommu=on kvmfr.static_size_mb=64"),
        lg.module_file(KERNEL, signer="akmods key"),
        lg.loaded(lg.node("root", 0, "qemu", 107, acl=True), 64, ("uaccess", "seat")),
        lg.at_boot(),
        lg.rules(lg.RULE_NAME, lg.RULES_UACCESS.format("qemu")),
    ),
)
HOSTS = (
    PLAIN,
    HEALTHY,
    HEALTHY.but(
        "fedora43-dropped-owner",
        "ublue-os/bazzite#3384: systemd 258 drops the rule that names a person",
        lg.loaded(lg.node("root", 0, "root", 0, 0o600), 64),
        lg.rules("99-kvmfr.rules", lg.RULES_99_ALICE),
    ),
    HEALTHY.but(
        "fedora43-late-rule",
        "ublue-os/bazzite-dx G5 on systemd 258: tagged too late, nobody gets in",
        lg.loaded(lg.node("root", 0, "qemu", 107), 64),
        lg.rules("99-kvmfr.rules", lg.RULES_UACCESS.format("qemu")),
    ),
    HEALTHY.but(
        "fedora43-module-rejected",
        "F70: Secure Boot is on, the akmod's key is not enrolled",
        *fedora(f"{MSRS} intel_iommu=on"),
        lg.module_file(KERNEL, signer=""),
        lg.not_loaded(),
        lg.refused(),
        lg.at_boot(64),
        lg.rules(lg.RULE_NAME, lg.RULES_UACCESS.format("kvm")),
    ),
)
