"""Bazzite 42: an ostree boot, a Ryzen board, mostly with Looking Glass."""

from __future__ import annotations

from support.fixture_hosts import looking_glass as lg
from support.fixture_hosts import systems
from support.fixture_hosts.hardware import amd_desktop, instead, kvm
from support.fixture_hosts.parts import Parts, Recipe, file, seat
from support.fixture_hosts.systems import MSRS

KERNEL = "6.14.6-105.bazzite.fc42.x86_64"


def bazzite(arguments: str) -> tuple[Parts, ...]:
    """Bazzite 42 on an ostree boot."""
    booted = (
        f"rw root={systems.ROOT_ID} rootflags=subvol=root quiet {arguments} "
        "ostree=/ostree/boot.1/default/4567cdef/0"
    )
    return (
        systems.linux(KERNEL, 257, booted, "kvm_amd"),
        systems.people("qemu", **systems.FEDORA_GROUPS),
        systems.os_release(
            name="Bazzite", id="bazzite", id_like="fedora", version_id="42"
        ),
        systems.ublue("bazzite", "main", 42),
        systems.ostree_boot(KERNEL, "default", booted),
        seat(1000),
    )


SIZED = bazzite(f"{MSRS} iommu=pt kvmfr.static_size_mb=128")
GOOD_RULE = lg.rules(lg.RULE_NAME, lg.RULES_UACCESS.format("qemu"))
GOOD_NODE = lg.node("root", 0, "qemu", 107, acl=True)

PLAIN = Recipe(
    "healthy-bazzite-no-looking-glass",
    "a Ryzen 7 board as in facter-001; plain VFIO, nothing of Looking Glass",
    (*amd_desktop(), kvm("Y", "N"), *bazzite(f"{MSRS} iommu=pt")),
)
HEALTHY = Recipe(
    "healthy-bazzite",
    "a Ryzen 7 board as in facter-001 with the G4 rule of ublue-os/bazzite#3384",
    (
        *PLAIN.parts,
        *SIZED,
        lg.module_file(KERNEL),
        lg.loaded(GOOD_NODE, tags=("uaccess", "seat")),
        lg.at_boot(),
        GOOD_RULE,
    ),
)
HOSTS = (
    PLAIN,
    HEALTHY,
    HEALTHY.but(
        "bazzite-late-rule",
        "ublue-os/bazzite-dx: the uaccess rule is numbered 99 again",
        lg.loaded(lg.node("root", 0, "qemu", 107)),
        lg.rules("99-kvmfr.rules", lg.RULES_UACCESS.format("qemu")),
    ),
    HEALTHY.but(
        "bazzite-no-size",
        "ublue-os/bazzite#2024: a dummy modprobe file, and the argument is gone",
        *bazzite(f"{MSRS} iommu=pt"),
        lg.module_file(KERNEL),
        lg.loaded(None),
        lg.no_device(),
        file("/etc/modprobe.d/kvmfr.conf", lg.DUMMY),
    ),
    HEALTHY.but(
        "bazzite-stray-file",
        "Looking Glass documentation: a VM started before the module",
        lg.not_loaded(),
        Parts(files={"/dev/kvmfr0": b"\0" * 4096}, folders=("/sys/class/kvmfr",)),
    ),
    HEALTHY.but(
        "bazzite-module-rejected",
        "ublue-os akmods: the ublue key is not enrolled",
        lg.not_loaded(),
        lg.refused(),
    ),
    HEALTHY.but(
        "bazzite-foreign-module",
        "ublue.md section 11: kernel and module differ after a rebase",
        lg.not_loaded(),
        lg.no_rule(),
        lg.module_file(KERNEL, built_for="6.14.4-102.bazzite.fc42.x86_64"),
    ),
    HEALTHY.but(
        "bazzite-odd-size",
        "a size that was worked out by hand: QEMU takes powers of two only",
        *bazzite(f"{MSRS} iommu=pt kvmfr.static_size_mb=100"),
        lg.module_file(KERNEL),
        lg.loaded(GOOD_NODE, tags=("uaccess", "seat")),
    ),
    PLAIN.but(
        "aurora-module-gone",
        "ublue-os/aurora#1239: the image no longer ships the module",
        *SIZED,
        GOOD_RULE,
    ),
    PLAIN.but(
        "iommu-off-by-argument",
        "ublue-os/bazzite hardware setup: amd_iommu=off on a handheld",
        *instead(amd_desktop(iommu=False)),
        *bazzite(f"{MSRS} amd_iommu=off"),
    ),
)
