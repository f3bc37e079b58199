"""What makes the initramfs anew here, as a person types it.

References: update-initramfs(8), mkinitcpio(8), dracut(8), booster(1), mkinitfs(1);
Void's handbook ("Kernel"), EndeavourOS's on dracut.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.base import MissingFact
from vfio_doctor.facts.images.tool import ImageKind, ImageTool
from vfio_doctor.facts.kernel import KernelRelease
from vfio_doctor.host.reader import Missing, read_text
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader

# Where Arch keeps the name that a kernel's image has.
PACKAGE = "/lib/modules/{release}/pkgbase"
OF_PACKAGE = "/boot/initramfs-{package}.img"
DRACUT = "sudo dracut --force"
PLAIN = {
    ImageKind.INITRAMFS_TOOLS: "sudo update-initramfs -u",
    ImageKind.MKINITCPIO: "sudo mkinitcpio -P",
    ImageKind.DRACUT: DRACUT,
    ImageKind.BOOSTER: "sudo /usr/lib/booster/regenerate_images",
    ImageKind.MKINITFS: "sudo mkinitfs",
}
# Programs of distributions whose loaders read images where dracut alone puts none.
WRAPPERS = ("dracut-rebuild", "reinstall-kernels")
VOID = "/usr/bin/xbps-reconfigure"


class ImageCommands(NamedTuple):
    """The command of each tool that makes images."""

    commands: dict[ImageKind, str]

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> ImageCommands:
        """Look which program calls dracut, if dracut is the tool."""
        if ImageKind.DRACUT not in facts[ImageTool].kinds:
            return cls(PLAIN)
        return cls({**PLAIN, ImageKind.DRACUT: _dracut(host, facts)})

    def of(self, kind: ImageKind) -> str:
        """Return the command, "" if there is none that is the same everywhere."""
        return self.commands.get(kind, "")


def image_command(facts: Facts) -> str:
    """Return the command of the one tool, "" if that is not known."""
    kinds = facts[ImageTool].kinds
    return facts[ImageCommands].of(kinds[0]) if len(kinds) == 1 else ""


def package_image(host: Reader, facts: Facts) -> str:
    """Return the image that Arch names by the kernel's package, "" if it has none."""
    try:
        package = read_text(host, PACKAGE.format(release=facts[KernelRelease].release))
    except MissingFact:
        return ""
    if isinstance(package, Missing):
        return ""
    return OF_PACKAGE.format(package=package.strip())


def _dracut(host: Reader, facts: Facts) -> str:
    for name in WRAPPERS:
        if not isinstance(host.lstat(f"/usr/bin/{name}"), Missing):
            return f"sudo {name}"
    if not isinstance(host.lstat(VOID), Missing):
        series = ".".join(facts[KernelRelease].release.split(".")[:2])
        return f"sudo xbps-reconfigure -f linux{series}"
    image = package_image(host, facts)
    named = image and not isinstance(host.lstat(image), Missing)
    return f"{DRACUT} {image}" if named else DRACUT
