"""Choose the tool that makes the initramfs images of a host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.boot.images.dracut import Dracut
from vfio_doctor.boot.images.initramfs_tools import InitramfsTools
from vfio_doctor.boot.images.mkinitcpio import Mkinitcpio
from vfio_doctor.boot.images.own_initramfs import RpmOstreeInitramfs
from vfio_doctor.facts.base import CannotFix, Facts
from vfio_doctor.facts.images.tool import ImageKind, ImageTool
from vfio_doctor.messages import say

if TYPE_CHECKING:
    from vfio_doctor.boot.images.maker import ImageMaker
    from vfio_doctor.host.reader import Reader

MAKERS: dict[ImageKind, type[ImageMaker]] = {
    ImageKind.INITRAMFS_TOOLS: InitramfsTools,
    ImageKind.DRACUT: Dracut,
    ImageKind.MKINITCPIO: Mkinitcpio,
    ImageKind.OSTREE: RpmOstreeInitramfs,
}
NO_MAKER = say("image-tool-not-here", "{tool}: the initramfs is not made here")


def maker(host: Reader) -> ImageMaker:
    """Return the tool; raise `CannotFix` if it is not known or there is none."""
    kind = Facts(host)[ImageTool].kind
    if kind not in MAKERS:
        raise CannotFix(NO_MAKER.filled(tool=kind.value))
    return MAKERS[kind]()
