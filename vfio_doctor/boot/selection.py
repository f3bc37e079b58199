"""Choose the back end that changes kernel arguments on a host."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from vfio_doctor.boot.backend import BootBackend
from vfio_doctor.facts.base import CannotFix, MissingFact
from vfio_doctor.facts.boot.stack import BootKind, BootStack
from vfio_doctor.messages import say

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.model import Message

# The module beside this one, and the class: a host needs one of them.
BACKENDS: dict[BootKind, tuple[str, str]] = {
    BootKind.RPM_OSTREE: ("rpm_ostree", "RpmOstree"),
    BootKind.BOOTC: ("bootc", "Bootc"),
    BootKind.GRUBBY: ("grubby", "Grubby"),
    BootKind.GRUB: ("grub", "Grub"),
    BootKind.SYSTEMD_BOOT: ("systemd_boot", "SystemdBoot"),
    BootKind.KERNELSTUB: ("kernelstub", "Kernelstub"),
    BootKind.LIMINE: ("limine", "Limine"),
    BootKind.UKI: ("sealed", "SealedImage"),
    BootKind.NIXOS: ("manual", "NixOs"),
    BootKind.REFIND: ("by_hand", "Refind"),
    BootKind.ZFSBOOTMENU: ("by_hand", "ZfsBootMenu"),
    BootKind.EFI_STUB: ("by_hand", "EfiStub"),
    BootKind.PROXMOX: ("proxmox", "Proxmox"),
    BootKind.SYSLINUX: ("by_hand", "Syslinux"),
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
    return next((b() for b in every() if b.name == name), BootBackend())


def every() -> list[type[BootBackend]]:
    """Return the back ends of all boot tools."""
    return [_imported(*at) for at in BACKENDS.values()]


def _imported(module: str, name: str) -> type[BootBackend]:
    found: type[BootBackend] = getattr(
        import_module(f"vfio_doctor.boot.{module}"), name
    )
    return found


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
    if stack.kind is BootKind.BOOTC:
        from vfio_doctor.boot.bootc import usable

        if not usable(host):
            raise CannotFix(OLD_BOOTC)
    if stack.kind in BACKENDS:
        return _imported(*BACKENDS[stack.kind])()
    if stack.tool and not any("LoaderInfo" in mark for mark in stack.evidence):
        raise CannotFix(NO_STACK.filled(stack=stack.tool))
    from vfio_doctor.boot.by_hand import ByHand

    return ByHand()
