"""Which tool makes the initramfs images of this host."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from vfio_doctor.facts.base import CannotFix
from vfio_doctor.host.reader import Missing, read_text
from vfio_doctor.messages import say
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader

OSTREE_BOOTED = "/run/ostree-booted"
# Images of Universal Blue have such a file, and with it vfio-pci in the initramfs.
SHIPPED = "/usr/lib/dracut/dracut.conf.d/*vfio*"
NIXOS = "/etc/NIXOS"


class ImageKind(Enum):
    """The tool, as its own documentation spells it."""

    INITRAMFS_TOOLS = "initramfs-tools"
    DRACUT = "dracut"
    MKINITCPIO = "mkinitcpio"
    BOOSTER = "Booster"
    MKINITFS = "mkinitfs"
    TINYRAMFS = "tinyramfs"
    OSTREE = "the system's image"
    NIXOS = "NixOS"


# The program itself; what else shows that it is used, if no program was seen.
PROGRAMS = (
    (ImageKind.INITRAMFS_TOOLS, "/usr/sbin/mkinitramfs"),
    (ImageKind.DRACUT, "/usr/bin/dracut"),
    (ImageKind.MKINITCPIO, "/usr/bin/mkinitcpio"),
    (ImageKind.BOOSTER, "/usr/bin/booster"),
    (ImageKind.TINYRAMFS, "/usr/bin/tinyramfs"),
    (ImageKind.MKINITFS, "/sbin/mkinitfs"),
)
MARKS = (
    (ImageKind.INITRAMFS_TOOLS, "/etc/initramfs-tools/modules"),
    (ImageKind.MKINITCPIO, "/etc/mkinitcpio.conf"),
    (ImageKind.BOOSTER, "/etc/booster.yaml"),
)
# No repair runs these: their images are made by hand.
BUILT_BY_HAND = (ImageKind.BOOSTER, ImageKind.MKINITFS, ImageKind.TINYRAMFS)
UNKNOWN = say("image-tool-unknown", "which tool makes the initramfs is not known")
SEVERAL = say(
    "image-tool-several",
    "{tools} are installed, and which of them makes the initramfs is not known",
)


class ImageTool(NamedTuple):
    """The tools that may make the images: one, if all is well.

    ``ships_vfio``: the image of the whole system comes with vfio-pci in its
    initramfs.
    """

    kinds: tuple[ImageKind, ...]
    ships_vfio: bool = False

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> ImageTool:
        """Look for the programs, else for their configuration."""
        if _is_there(host, OSTREE_BOOTED):
            shipped = host.glob(SHIPPED)
            ships = not isinstance(shipped, Missing) and bool(shipped)
            return cls((ImageKind.OSTREE,), ships)
        if _is_there(host, NIXOS):
            return cls((ImageKind.NIXOS,))
        found = tuple(kind for kind, path in PROGRAMS if _is_there(host, path))
        if not found:
            texts = [(kind, read_text(host, path)) for kind, path in MARKS]
            found = tuple(k for k, text in texts if not isinstance(text, Missing))
        return cls(found)

    @property
    def kind(self) -> ImageKind:
        """Return the one tool; raise `CannotFix` if that is not known."""
        if len(self.kinds) > 1:
            raise CannotFix(SEVERAL.filled(tools=tuple(k.value for k in self.kinds)))
        if not self.kinds:
            raise CannotFix(UNKNOWN)
        return self.kinds[0]


def _is_there(host: Reader, path: str) -> bool:
    return not isinstance(host.lstat(path), Missing)
