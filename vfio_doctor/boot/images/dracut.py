"""dracut: dracut(8), dracut.conf(5), lsinitrd(1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.boot.images.initramfs_tools import BUILD as WRAPPED
from vfio_doctor.boot.images.maker import IMAGE, ImageMaker, globbed, with_lines
from vfio_doctor.host.reader import Missing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.host.reader import Reader
    from vfio_doctor.model import FileStep

BUILD = ("dracut", "--force", "--regenerate-all")
CONFIG = "/etc/dracut.conf.d/vfio-doctor.conf"
# Debian's package brings a command of that name, which knows where images belong.
WRAPPER = "/usr/sbin/update-initramfs"


class Dracut(ImageMaker):
    """A drop-in with ``force_drivers``, which are loaded before udev starts.

    Dracut puts all of modprobe.d into the image. The rescue image is left alone.
    """

    name = "dracut"
    lister = "lsinitrd"
    commands = (BUILD, WRAPPED, ("lsinitrd", IMAGE))

    def build(self, host: Reader) -> tuple[str, ...]:
        """Return the command for all kernels."""
        return BUILD if isinstance(host.lstat(WRAPPER), Missing) else WRAPPED

    def images(self, host: Reader) -> tuple[str, ...] | Missing:
        """Return the images, wherever kernel-install has put them."""
        found = globbed(
            host,
            "/boot/initramfs-*.img",
            "/boot/initrd.img-*",
            "/boot/*/*/initrd",
            "/efi/*/*/initrd",
            "/boot/efi/*/*/initrd",
        )
        if isinstance(found, Missing):
            return found
        return tuple(
            p for p in found if "rescue" not in p and not p.endswith("kdump.img")
        )

    def configured(self, host: Reader, modules: tuple[str, ...]) -> Iterator[FileStep]:
        """Yield the drop-in, if the image is to load anything more."""
        if not modules:
            return
        line = f'force_drivers+=" {" ".join(modules)} "'
        yield from with_lines(host, CONFIG, (line,))
