"""Debian's and Ubuntu's initramfs-tools: update-initramfs(8), lsinitramfs(8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.boot.images.maker import IMAGE, ImageMaker, globbed, with_lines
from vfio_doctor.facts.images.initramfs import TOOLS_LIST
from vfio_doctor.host.reader import Missing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.host.reader import Reader
    from vfio_doctor.model import FileStep, RebuildImages

BUILD = ("update-initramfs", "-u", "-k", "all")


class InitramfsTools(ImageMaker):
    """``/etc/initramfs-tools/modules``; all of modprobe.d goes into the image."""

    name = "initramfs-tools"
    lister = "lsinitramfs"
    beside = "/boot/initrd.img-{}"
    commands = (BUILD, ("lsinitramfs", IMAGE))

    def build(self, host: Reader) -> tuple[str, ...]:
        """Return the command for all kernels."""
        return BUILD

    def images(self, host: Reader) -> tuple[str, ...] | Missing:
        """Return the images; update-initramfs keeps copies beside some."""
        found = globbed(host, "/boot/initrd.img-*")
        if isinstance(found, Missing):
            return found
        ends = (".bak", ".old-dkms", ".new", ".dpkg-bak")
        return tuple(path for path in found if not path.endswith(ends))

    def configured(self, host: Reader, change: RebuildImages) -> Iterator[FileStep]:
        """Yield the list of modules with those that it lacks."""
        yield from with_lines(host, TOOLS_LIST, change.modules)
