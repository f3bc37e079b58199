"""Bluefin-DX 41: an ostree boot, a Core board, the recipes of ujust."""

from __future__ import annotations

from support.fixture_hosts import looking_glass as lg
from support.fixture_hosts import systems
from support.fixture_hosts.hardware import instead, intel_desktop, kvm
from support.fixture_hosts.parts import Parts, Recipe, file, seat
from support.fixture_hosts.systems import MSRS

KERNEL = "6.12.5-200.fc41.x86_64"


def bluefin(
    arguments: str, following: str = "", systemd: int = 256
) -> tuple[Parts, ...]:
    """Bluefin-DX 41 on an ostree boot; ``following`` is staged for the next."""
    base = f"rw root={systems.ROOT_ID} rootflags=subvol=root quiet rhgb"
    ostree = "ostree=/ostree/boot.1/bluefin/0123abcd/0"
    booted = f"{base} {arguments}".strip()
    return (
        systems.linux(KERNEL, systemd, f"{booted} {ostree}", "kvm_intel"),
        systems.people("qemu", **systems.FEDORA_GROUPS),
        systems.os_release(
            name="Bluefin", id="bluefin", id_like="fedora", version_id="41"
        ),
        systems.ublue("bluefin", "dx", 41),
        systems.ostree_boot(
            KERNEL,
            "bluefin",
            f"{booted} {ostree}",
            f"{base} {following} {ostree}" if following else "",
        ),
        seat(1000),
    )


GOOD = f"intel_iommu=on iommu=pt {MSRS}"
UNPREPARED = (*instead(intel_desktop(iommu=False)), kvm("N", "Y", "kvm_intel"))

PLAIN = Recipe(
    "healthy-bluefin-no-looking-glass",
    "a Core board as in facter-027 after ujust setup-vfio",
    (*intel_desktop(), kvm("Y", "N", "kvm_intel"), *bluefin(GOOD)),
)
HEALTHY = Recipe(
    "healthy-bluefin",
    "the same after ujust configure-vfio, with a rule that lets alice in",
    (
        *PLAIN.parts,
        *bluefin(f"{GOOD} kvmfr.static_size_mb=128"),
        lg.module_file(KERNEL),
        lg.loaded(lg.node("root", 0, "qemu", 107, acl=True), tags=("uaccess", "seat")),
        lg.at_boot(),
        lg.rules(lg.RULE_NAME, lg.RULES_UACCESS.format("qemu")),
    ),
)
HOSTS = (
    PLAIN,
    HEALTHY,
    PLAIN.but(
        "bluefin-dx-2121",
        "ublue-os/bluefin#2121: the recipe did nothing, the rule names root",
        *UNPREPARED,
        *bluefin(""),
        lg.module_file(KERNEL),
        lg.rules("99-kvmfr.rules", lg.RULES_99_ROOT),
    ),
    PLAIN.but(
        "bluefin-dx-reboot-pending",
        "ublue-os/bluefin#2140: arguments are set and staged, not yet booted",
        *UNPREPARED,
        *bluefin("", following=GOOD),
    ),
    HEALTHY.but(
        "bluefin-dx-root-owner",
        "the comments of ublue-os/bluefin#2121: the script ran under sudo",
        lg.loaded(lg.node("root", 0, "qemu", 107)),
        lg.rules("99-kvmfr.rules", lg.RULES_99_ROOT),
    ),
    PLAIN.but(
        "bluefin-dx-default-grub",
        "K14: a guide for another Fedora was followed",
        file(
            "/etc/default/grub",
            'GRUB_CMDLINE_LINUX="rhgb quiet vfio-pci.ids=10de:2684,10de:22ba"\n',
        ),
    ),
    PLAIN.but(
        "bluefin-dx-default-grub-of-image",
        "what the installer leaves in that file",
        file("/etc/default/grub", 'GRUB_CMDLINE_LINUX="rhgb quiet"\n'),
    ),
)
