"""How this host gets the kvmfr module: by its distribution, or by its image."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vfio_doctor.facts.base import MissingFact
from vfio_doctor.facts.boot.stack import BootKind, BootStack
from vfio_doctor.facts.modules import KvmfrFile
from vfio_doctor.facts.system import ImageInfo, OsRelease
from vfio_doctor.messages import in_order, say
from vfio_doctor.model import Actor
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.model import Message

GUIDE = "https://looking-glass.io/docs (Installation, Kernel module)"
FROM_SOURCE = say(
    "kvmfr-build-from-source",
    "Then run `sudo dkms install .` in the folder module/ of the Looking Glass source."
    " See {guide}.",
    guide=GUIDE,
)
FROM_AUR = say(
    "kvmfr-build-from-aur",
    "Then install looking-glass-module-dkms from the AUR. See {guide}.",
    guide=GUIDE,
)
# Ids of os-release, how to get the kernel's headers, how to get the module.
RECIPES = (
    (
        ("debian", "ubuntu"),
        say(
            "kvmfr-headers-debian",
            "Run `sudo apt install dkms linux-headers-{release}`. If apt finds no such"
            " package, this kernel is too old: run `sudo apt full-upgrade`, reboot, and"
            " look again.",
        ),
        FROM_SOURCE,
    ),
    (
        ("fedora", "rhel"),
        say(
            "kvmfr-headers-fedora",
            "Run `sudo dnf install dkms kernel-devel-{release}`. If dnf finds no such"
            " package, this kernel is too old: run `sudo dnf upgrade`, reboot, and look"
            " again.",
        ),
        FROM_SOURCE,
    ),
    (
        ("arch",),
        say(
            "kvmfr-headers-arch",
            "Run `sudo pacman -Syu --needed dkms {package}`, and reboot if that brings"
            " another kernel.",
        ),
        FROM_AUR,
    ),
    (
        (),
        say("kvmfr-headers", "Install dkms and the headers of kernel {release}."),
        FROM_SOURCE,
    ),
)
PROXMOX = say(
    "kvmfr-headers-proxmox",
    "Run `sudo apt install dkms proxmox-headers-{release}` (in Proxmox VE 7 the package"
    " is pve-headers-{release}).",
)
# 6.12.8-1-lts, 6.12.8-zen1-1-zen, 6.12.8-2-cachyos-lts; linux ends in a number.
ARCH_FLAVOUR = r"-\d+-([a-z][a-z0-9-]*)$"
MANJARO = r"(\d+)\.(\d+)\..*-MANJARO$"
REBUILD = say(
    "kvmfr-rebuild",
    "Then run `sudo dkms autoinstall -k {release}`; if an akmod built it, run"
    " `sudo akmods --kernels {release}`. If the build fails, take a newer Looking Glass"
    " source: each kernel needs one that is new enough.",
)
ANYWHERE = say(
    "kvmfr-install", "Install the module for this kernel: {guide}.", guide=GUIDE
)
NIXOS = say(
    "kvmfr-install-nixos",
    "Add `boot.extraModulePackages = [ config.boot.kernelPackages.kvmfr ];` to your"
    " configuration and rebuild.",
)
ELSEWHERE = say("kvmfr-of-other-kernel", "The module is there for another kernel.")
WITHOUT_MODULE = say(
    "kvmfr-without-module",
    "Looking Glass also works without the module, over plain shared memory: a"
    " <shmem name='looking-glass'> device in the VM and /dev/shm/looking-glass on the"
    " host, at the cost of some processor time.",
)


class KvmfrInstall(NamedTuple):
    """Who makes the module for the running kernel, and what they do.

    ``image_based`` tells whether the module comes with an image.
    """

    actor: Actor
    advice: Message
    image_based: bool

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> KvmfrInstall:
        """Go by the boot stack, then by os-release."""
        if _is_image_based(facts):
            return cls(Actor.VENDOR, in_order(_for_image(facts), WITHOUT_MODULE), True)
        return cls(Actor.USER, _by_hand(facts), False)


def _is_image_based(facts: Facts) -> bool:
    try:
        return facts[BootStack].kind in (BootKind.RPM_OSTREE, BootKind.BOOTC)
    except MissingFact:
        return False


def _by_hand(facts: Facts) -> Message:
    try:
        system = facts[OsRelease]
    except MissingFact:
        return ANYWHERE
    if system.is_like("nixos"):
        return NIXOS
    recipe = next((r for r in RECIPES if system.is_like(*r[0])), RECIPES[-1])
    file = facts[KvmfrFile]
    headers = _headers(recipe[1], file.release)
    # One for another kernel, or built for it, is built again by what built it.
    if file.elsewhere or isinstance(file.running, str):
        return in_order(ELSEWHERE, headers, REBUILD.filled(release=file.release))
    return in_order(headers, recipe[2])


def _headers(recipe: Message, release: str) -> Message:
    """Return how to get what modules for that kernel are built with."""
    if release.endswith("-pve"):
        return PROXMOX.filled(release=release)
    if "{package}" in recipe.template:
        return recipe.filled(package=_arch_headers(release))
    return recipe.filled(release=release)


def _arch_headers(release: str) -> str:
    """Return Arch's package: each of its kernels ends in its name, but for linux."""
    numbered = re.match(MANJARO, release)
    if numbered:
        return f"linux{numbered[1]}{numbered[2]}-headers"
    flavour = re.search(ARCH_FLAVOUR, release)
    return f"linux-{flavour[1]}-headers" if flavour else "linux-headers"


def _for_image(facts: Facts) -> Message:
    try:
        name = facts[ImageInfo].name
    except MissingFact:
        name = ""
    if "bazzite" in name:
        return say(
            "kvmfr-image-bazzite",
            "Bazzite ships kvmfr, but not in every build: update once more, or boot"
            " the previous deployment from the boot menu and keep it with"
            " `sudo ostree admin pin 1`.",
        )
    if not name:
        return say(
            "kvmfr-image-unnamed",
            "The image of this host does not ship kvmfr, and it cannot be built on an"
            " image-based host. Use an image that ships it (Bazzite does), or build"
            " your own from this one with the module added.",
        )
    return say(
        "kvmfr-image-without",
        "The image {image} does not ship kvmfr, and it cannot be built on an"
        " image-based host. Bluefin and Aurora dropped it in November 2025. Use an"
        " image that ships it (Bazzite does), or build your own from this one with the"
        " module added.",
        image=name,
    )
