"""Boot loaders that are kept by hand: advice in the loader's own words.

References: refind_linux.conf in rEFInd's manual, zfsbootmenu(7), efibootmgr(8),
SYSLINUX's configuration, Alpine's update-extlinux.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from vfio_doctor.boot.backend import BootBackend
from vfio_doctor.boot.sealed import running_words
from vfio_doctor.facts.base import CannotFix
from vfio_doctor.facts.boot.stack import REFIND as REFIND_FILES
from vfio_doctor.host.reader import Missing
from vfio_doctor.messages import say
from vfio_doctor.parse.cmdline import argument

if TYPE_CHECKING:
    from vfio_doctor.boot.backend import ArgumentEdit
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.model import Message, Step

REFIND_ADVICE = say(
    "refind-advice",
    "rEFInd starts this machine. Make this the first line of {path}: "
    '"Boot with standard options" "{line}"',
)
ZFSBOOTMENU_ADVICE = say(
    "zfsbootmenu-advice",
    "ZFSBootMenu starts this machine. Run: sudo zfs set "
    "org.zfsbootmenu:commandline={line} {dataset}",
)
EFI_STUB_ADVICE = say(
    "efi-stub-advice",
    "the firmware starts the kernel without a boot loader. Make its boot entry anew "
    "with the same disk, partition and loader (`efibootmgr -v` shows them), and with "
    "this end of the efibootmgr command: --unicode {line}",
)
PROXMOX_LINE = say(
    "proxmox-line",
    "proxmox-boot-tool keeps the boot entries. Have this one line in "
    "/etc/kernel/cmdline: {line} -- then run `sudo proxmox-boot-tool refresh`",
)
SYSLINUX_ADVICE = say(
    "syslinux-advice",
    "syslinux starts this machine. Have this line below the label that you boot in "
    "syslinux.cfg: append {line}",
)
EXTLINUX_ADVICE = say(
    "extlinux-advice",
    "syslinux starts this machine, and update-extlinux writes its configuration. Have"
    " these words in default_kernel_opts of {path}: {line} -- then run `sudo"
    " update-extlinux`",
)
UPDATE_EXTLINUX = "/etc/update-extlinux.conf"
UNKNOWN_ADVICE = say(
    "unknown-loader-advice",
    "how this machine boots is not known; with your boot loader's own means, set the "
    "kernel arguments to: {line}",
)
# What loaders put on the line themselves, and nobody writes.
BY_LOADER = ("initrd", "BOOT_IMAGE")
BY_EXTLINUX = (*BY_LOADER, "root", "modules")
BY_ZFSBOOTMENU = (*BY_LOADER, "root", "zfs", "spl_hostid", "spl.spl_hostid")


class ByHand(BootBackend):
    """A loader whose arguments are written by hand."""

    def read(self, host: Reader) -> tuple[str, ...] | Missing:
        """Return the running kernel's words: what is set is not read."""
        return running_words(host)

    def steps(self, host: Reader, edit: ArgumentEdit) -> tuple[Step, ...]:
        """Raise `CannotFix` with the exact line."""
        raise CannotFix(self.advice(host, edit))

    def advice(self, host: Reader, edit: ArgumentEdit) -> Message:
        """Return what to write, and where."""
        return UNKNOWN_ADVICE.filled(line=_line(edit, BY_LOADER))


class Refind(ByHand):
    """rEFInd: ``refind_linux.conf`` beside the kernel."""

    name = "rEFInd"

    def advice(self, host: Reader, edit: ArgumentEdit) -> Message:
        """Return the whole first line; quotes in it are doubled."""
        line = _line(edit, BY_LOADER).replace('"', '""')
        return REFIND_ADVICE.filled(path=REFIND_FILES[0], line=line)


class ZfsBootMenu(ByHand):
    """ZFSBootMenu: a property of the file system that is booted."""

    name = "ZFSBootMenu"

    def advice(self, host: Reader, edit: ArgumentEdit) -> Message:
        """Return the command that sets the property."""
        line = shlex.quote(_line(edit, BY_ZFSBOOTMENU))
        return ZFSBOOTMENU_ADVICE.filled(line=line, dataset=_dataset(edit.before))


class EfiStub(ByHand):
    """The firmware starts the kernel: arguments stand in its boot entry."""

    name = "EFI stub"

    def advice(self, host: Reader, edit: ArgumentEdit) -> Message:
        """Return the line of the entry, ``initrd=`` included."""
        return EFI_STUB_ADVICE.filled(line=shlex.quote(_line(edit, ())))


class Syslinux(ByHand):
    """syslinux and extlinux: the ``append`` line of a label."""

    name = "syslinux"

    def advice(self, host: Reader, edit: ArgumentEdit) -> Message:
        """Return the whole line; ``initrd=`` belongs to it.

        Alpine's tool writes the file anew with each kernel, from a file of its own.
        """
        if not isinstance(host.lstat(UPDATE_EXTLINUX), Missing):
            line = _line(edit, BY_EXTLINUX)
            return EXTLINUX_ADVICE.filled(path=UPDATE_EXTLINUX, line=line)
        return SYSLINUX_ADVICE.filled(line=_line(edit, ("BOOT_IMAGE",)))


def _line(edit: ArgumentEdit, left_out: tuple[str, ...]) -> str:
    kept = (word for word in edit.after if argument(word).key not in left_out)
    return " ".join(kept)


def proxmox_line(edit: ArgumentEdit) -> Message:
    """Return what to write if Proxmox's file of arguments is not there."""
    return PROXMOX_LINE.filled(line=_line(edit, BY_LOADER))


def _dataset(words: tuple[str, ...]) -> str:
    """Return the file system that was booted, as the root argument spells it."""
    for word in words:
        key, value = argument(word).key, argument(word).value or ""
        if key == "zfs" or (key == "root" and value[:4].lower() in ("zfs:", "zfs=")):
            return shlex.quote(value if key == "zfs" else value[4:])
    return "POOL/ROOT/NAME"
