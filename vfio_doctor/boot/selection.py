"""Choose the back end that changes kernel arguments on a host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.boot.backend import BootBackend
from vfio_doctor.boot.bootc import Bootc, usable
from vfio_doctor.boot.by_hand import (
    ByHand,
    EfiStub,
    Proxmox,
    Refind,
    Syslinux,
    ZfsBootMenu,
)
from vfio_doctor.boot.grub import Grub
from vfio_doctor.boot.grubby import Grubby
from vfio_doctor.boot.kernelstub import Kernelstub
from vfio_doctor.boot.limine import Limine
from vfio_doctor.boot.manual import NixOs
from vfio_doctor.boot.rpm_ostree import RpmOstree
from vfio_doctor.boot.sealed import SealedImage
from vfio_doctor.boot.systemd_boot import SystemdBoot
from vfio_doctor.facts.base import CannotFix, MissingFact
from vfio_doctor.facts.boot.stack import BootKind, BootStack
from vfio_doctor.messages import say

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.model import Message

BACKENDS: dict[BootKind, type[BootBackend]] = {
    BootKind.RPM_OSTREE: RpmOstree,
    BootKind.BOOTC: Bootc,
    BootKind.GRUBBY: Grubby,
    BootKind.GRUB: Grub,
    BootKind.SYSTEMD_BOOT: SystemdBoot,
    BootKind.KERNELSTUB: Kernelstub,
    BootKind.LIMINE: Limine,
    BootKind.UKI: SealedImage,
    BootKind.NIXOS: NixOs,
    BootKind.REFIND: Refind,
    BootKind.ZFSBOOTMENU: ZfsBootMenu,
    BootKind.EFI_STUB: EfiStub,
    BootKind.PROXMOX: Proxmox,
    BootKind.SYSLINUX: Syslinux,
}

OLD_BOOTC = say(
    "bootc-too-old",
    "this bootc cannot keep kernel arguments of one machine (bootc 1.15.2 and "
    "ostree 2026.1 can): update the image, or set them in it with "
    "/usr/lib/bootc/kargs.d",
)
NO_STACK = say(
    "boot-stack-no-arguments",
    "{stack}: kernel arguments are not set from inside of it",
)


def named(name: str) -> BootBackend:
    """Return the back end of that name; one that knows nothing if there is none."""
    return next((b() for b in BACKENDS.values() if b.name == name), BootBackend())


def chosen(host: Reader, facts: Facts) -> BootBackend | Message:
    """Return the back end for this host's boot stack, or why there is none."""
    try:
        return choose(host, facts)
    except (CannotFix, MissingFact) as reason:
        return reason.message


def choose(host: Reader, facts: Facts) -> BootBackend:
    """Return the back end for this host's boot stack.

    Raises `CannotFix` where none can be set from here, as in a container, or where
    bootc is too old to keep arguments of our own and rpm-ostree is not there.
    """
    stack = facts[BootStack]
    if stack.kind is BootKind.BOOTC and not usable(host):
        raise CannotFix(OLD_BOOTC)
    backend = BACKENDS.get(stack.kind)
    if backend is not None:
        return backend()
    if stack.tool and not any("LoaderInfo" in mark for mark in stack.evidence):
        raise CannotFix(NO_STACK.filled(stack=stack.tool))
    return ByHand()
