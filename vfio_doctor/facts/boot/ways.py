"""How kernel arguments are set by hand with what starts this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.boot.stack import BootKind, BootStack
from vfio_doctor.messages import say

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.model import Message

# How they are set with what starts the machine, if that has one way only.
WAYS = {
    BootKind.GRUBBY: say(
        "idle-loader-grubby",
        "Run `sudo grubby --update-kernel=ALL --args={words}`, and reboot.",
    ),
    BootKind.KERNELSTUB: say(
        "idle-loader-kernelstub",
        "Run `sudo kernelstub -a {words}`, and reboot.",
    ),
    BootKind.RPM_OSTREE: say(
        "idle-loader-rpm-ostree",
        "Add {words} with `sudo rpm-ostree kargs`, one --append-if-missing= for each in"
        " one call, and reboot.",
    ),
    BootKind.GRUB: say(
        "idle-loader-grub",
        "Add `{words}` to GRUB_CMDLINE_LINUX_DEFAULT in /etc/default/grub, regenerate"
        " the boot menu (`sudo update-grub`, or `sudo grub-mkconfig -o"
        " /boot/grub/grub.cfg`), and reboot.",
    ),
    BootKind.SYSTEMD_BOOT: say(
        "idle-loader-systemd-boot",
        "Add `{words}` to the options line of the entry that is booted, and to"
        " /etc/kernel/cmdline if that is there, which new kernels have theirs from;"
        " then reboot.",
    ),
}
RPM_OSTREE_ONE = say(
    "idle-loader-rpm-ostree-one",
    "Run `sudo rpm-ostree kargs --append-if-missing={words}`, and reboot.",
)
PROXMOX_LINE = say(
    "idle-loader-proxmox-line",
    "Add `{words}` to the one line of /etc/kernel/cmdline, run `sudo proxmox-boot-tool"
    " refresh`, and reboot.",
)
PROXMOX_GRUB = say(
    "idle-loader-proxmox-grub",
    "Add `{words}` to GRUB_CMDLINE_LINUX_DEFAULT in /etc/default/grub, run `sudo"
    " proxmox-boot-tool refresh`, and reboot.",
)


def way_to_set(words: tuple[str, ...], kind: BootKind, facts: Facts) -> Message | None:
    """Return the advice for a loader; None if it has more ways than one.

    Of the two loaders whose files proxmox-boot-tool keeps, ``kind`` is the one that
    starts the machine.
    """
    line = " ".join(words)
    if facts[BootStack].kind is BootKind.PROXMOX:
        grub = kind is BootKind.GRUB
        return (PROXMOX_GRUB if grub else PROXMOX_LINE).filled(words=line)
    way = WAYS.get(kind)
    if kind is BootKind.RPM_OSTREE and len(words) == 1:
        return RPM_OSTREE_ONE.filled(words=line)
    if way is None:
        return None
    return way.filled(words=words if kind is BootKind.RPM_OSTREE else line)
