"""dracut: dracut(8), dracut.conf(5), lsinitrd(1)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vfio_doctor.boot.images.initramfs_tools import BUILD as WRAPPED
from vfio_doctor.boot.images.maker import IMAGE, ImageMaker, globbed, with_lines
from vfio_doctor.facts.base import CannotFix, Facts
from vfio_doctor.facts.images.command import DRACUT, package_image
from vfio_doctor.host.reader import Missing, read_text
from vfio_doctor.messages import say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.host.reader import Reader
    from vfio_doctor.model import FileStep, RebuildImages

BUILD = ("dracut", "--force", "--regenerate-all")
CONFIG = "/etc/dracut.conf.d/vfio-doctor.conf"
MAIN = "/etc/dracut.conf"
DROP_INS = ("/usr/lib/dracut/dracut.conf.d/*.conf", "/etc/dracut.conf.d/*.conf")
HOST_ONLY = r"(?m)^[ \t]*hostonly=[\"']?(\w*)"
# Debian's package brings a command of that name, which knows where images belong.
WRAPPER = "/usr/sbin/update-initramfs"
# Distributions that name images by the kernel's package have one of these.
CALLERS = ("/usr/bin/dracut-rebuild", "/usr/bin/reinstall-kernels")
NAMED_OTHERWISE = say(
    "dracut-images-named-otherwise",
    "the images here are named by the kernel's package, and dracut alone makes others"
    " beside them. By hand, for each kernel: `{command}` and its release",
)


class Dracut(ImageMaker):
    """A drop-in with ``force_drivers``, which are loaded before udev starts.

    Dracut puts modprobe.d into images that are made for this host alone, as on Fedora;
    into others it puts what it is told to. The rescue image is left alone.
    """

    name = "dracut"
    lister = "lsinitrd"
    commands = (
        *(BUILD, WRAPPED),
        *((caller.rpartition("/")[2],) for caller in CALLERS),
        ("lsinitrd", IMAGE),
    )

    def build(self, host: Reader) -> tuple[str, ...]:
        """Return the command for all kernels; `CannotFix` if there is none."""
        if not isinstance(host.lstat(WRAPPER), Missing):
            return WRAPPED
        for caller in CALLERS:
            if not isinstance(host.lstat(caller), Missing):
                return (caller.rpartition("/")[2],)
        image = package_image(host, Facts(host))
        if image and not isinstance(host.lstat(image), Missing):
            raise CannotFix(NAMED_OTHERWISE.filled(command=f"{DRACUT} {image}"))
        return BUILD

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

    def configured(self, host: Reader, change: RebuildImages) -> Iterator[FileStep]:
        """Yield the drop-in, if the image is to load or to hold anything more."""
        lines = []
        if change.modules:
            lines.append(f'force_drivers+=" {" ".join(change.modules)} "')
        if change.files and not _is_for_this_host(host):
            lines.append(f'install_optional_items+=" {" ".join(change.files)} "')
        if lines:
            yield from with_lines(host, CONFIG, tuple(lines))


def _is_for_this_host(host: Reader) -> bool:
    """Tell whether images are made for this host alone: they then hold modprobe.d.

    A file in /etc goes before one of its name in /usr/lib; the last word counts.
    """
    by_name = {path.rpartition("/")[2]: path for path in _drop_ins(host)}
    said = ""
    for path in (MAIN, *(by_name[name] for name in sorted(by_name))):
        text = read_text(host, path)
        found = re.findall(HOST_ONLY, text) if isinstance(text, str) else []
        said = found[-1] if found else said
    return said == "yes"


def _drop_ins(host: Reader) -> tuple[str, ...]:
    """Return the drop-ins, those of /etc behind those of /usr/lib."""
    found = (host.glob(pattern) for pattern in DROP_INS)
    return tuple(p for paths in found if not isinstance(paths, Missing) for p in paths)
