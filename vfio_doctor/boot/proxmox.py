"""Proxmox VE: proxmox-boot-tool copies kernels and makes their entries on each ESP.

Reference: Proxmox's chapter on booting ("Editing the Kernel Commandline"). With
systemd-boot the arguments are the one line of /etc/kernel/cmdline, with GRUB those of
/etc/default/grub; `proxmox-boot-tool refresh` puts either where the firmware looks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.boot.backend import BootBackend
from vfio_doctor.boot.by_hand import proxmox_line
from vfio_doctor.boot.grub import Grub, grub_edits
from vfio_doctor.boot.kernel_cmdline import CMDLINE, cmdline_step
from vfio_doctor.boot.sealed import running_words
from vfio_doctor.boot.words import refuse_init_part
from vfio_doctor.facts.base import CannotFix
from vfio_doctor.host.reader import CONFIG_BYTES, Missing, Why, read_text
from vfio_doctor.messages import say
from vfio_doctor.model import CommandStep, Step
from vfio_doctor.parse.cmdline import argument, words

if TYPE_CHECKING:
    from vfio_doctor.boot.backend import ArgumentEdit
    from vfio_doctor.host.reader import Reader

REFRESH = ("proxmox-boot-tool", "refresh")
NEW = say("do-proxmox-refresh", "put the arguments onto every boot partition")
OLD = say("do-proxmox-refresh-back", "put the old arguments onto every boot partition")


class Proxmox(BootBackend):
    """The file that the loader's entries are made from, between two refreshes.

    The first is for undo alone, which walks backwards.
    """

    name = "proxmox-boot-tool"
    commands = (REFRESH,)

    def read(self, host: Reader) -> tuple[str, ...] | Missing:
        """Return the words that the next refresh puts into the entries."""
        if _by_grub(host):
            return Grub().read(host)
        text = read_text(host, CMDLINE, CONFIG_BYTES)
        if isinstance(text, Missing) and text.why is Why.ABSENT:
            return running_words(host)
        return text if isinstance(text, Missing) else words(text)

    def steps(self, host: Reader, edit: ArgumentEdit) -> tuple[Step, ...]:
        """Return the edit and the refresh; raise `CannotFix` if there is no file."""
        refuse_init_part(edit, self.name)
        if _by_grub(host):
            edits: tuple[Step, ...] = grub_edits(host, edit)
        else:
            line = cmdline_step(host, CMDLINE, edit)
            if line is None:
                raise CannotFix(proxmox_line(edit))
            edits = (line,)
        back = CommandStep((), REFRESH, why=OLD)
        return (back, *edits, CommandStep(REFRESH, why=NEW))


def _by_grub(host: Reader) -> bool:
    """Tell whether GRUB started this kernel; systemd-boot leaves no such word."""
    now = running_words(host)
    booted = () if isinstance(now, Missing) else now
    return any(argument(word).key == "BOOT_IMAGE" for word in booted)
