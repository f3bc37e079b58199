"""Debian's and Ubuntu's initramfs-tools: update-initramfs(8), lsinitramfs(8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.boot.images.maker import IMAGE, ImageMaker, globbed, with_lines
from vfio_doctor.boot.kernel_cmdline import CMDLINE
from vfio_doctor.facts.base import CannotFix
from vfio_doctor.facts.boot.stack import efi_variable
from vfio_doctor.facts.boot.systemd_menu import default_entry
from vfio_doctor.facts.images.initramfs import TOOLS_LIST
from vfio_doctor.host.reader import CONFIG_BYTES, Missing, read_text
from vfio_doctor.messages import say
from vfio_doctor.parse import bls
from vfio_doctor.parse.cmdline import words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.host.reader import Reader
    from vfio_doctor.model import FileStep, RebuildImages, Step

# Debian's systemd-boot package runs kernel-install from it, once an image is made.
ENTRY_HOOK = "/etc/initramfs/post-update.d/systemd-boot"
# Where kernel-install finds the words (90-loaderentry.install); the first there counts.
LINES = (CMDLINE, "/usr/lib/kernel/cmdline", "/proc/cmdline")
# What it adds by itself.
ITS_OWN = ("systemd.machine_id=", "BOOT_IMAGE=", "initrd=")
WORDS_LOST = say(
    "image-drops-words",
    "{hook} writes {entry} anew whenever an image is made, with the words of {line}:"
    " the entry would lose {words}. Add that to {line}, or take it out of the entry.",
)
BUILD = ("update-initramfs", "-u", "-k", "all")


class InitramfsTools(ImageMaker):
    """``/etc/initramfs-tools/modules``; all of modprobe.d goes into the image."""

    name = "initramfs-tools"
    lister = "lsinitramfs"
    beside = "/boot/initrd.img-{}"
    commands = (BUILD, ("lsinitramfs", IMAGE))

    def steps(self, host: Reader, change: RebuildImages) -> tuple[list[Step], ...]:
        """Return the steps; raises `CannotFix` if a boot entry would lose words."""
        _refuse_lost_words(host)
        return super().steps(host, change)

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


def _refuse_lost_words(host: Reader) -> None:
    if isinstance(host.lstat(ENTRY_HOOK), Missing):
        return
    entry = default_entry(host)
    is_booted = efi_variable(host, "LoaderInfo").startswith("systemd-boot")
    if isinstance(entry, Missing) or not is_booted:
        return
    text = read_text(host, entry, CONFIG_BYTES)
    lines = ((path, read_text(host, path, CONFIG_BYTES)) for path in LINES)
    path, line = next(((p, t) for p, t in lines if isinstance(t, str)), ("", None))
    if isinstance(text, Missing) or line is None:
        return
    kept = words(line)
    options = words(bls.options(text))
    lost = [w for w in options if w not in kept and not w.startswith(ITS_OWN)]
    if lost:
        said = {"hook": ENTRY_HOOK, "entry": entry, "line": path}
        raise CannotFix(WORDS_LOST.filled(**said, words=" ".join(lost)))
