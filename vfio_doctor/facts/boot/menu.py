"""The command of this host that makes the boot menu anew from its configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.boot.stack import GRUB_MENUS, BootKind, BootStack
from vfio_doctor.host.reader import Missing
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader

LIMINE_TOOLS = ("limine-update", "limine-mkinitcpio")


class MenuMaker(NamedTuple):
    """The command and its arguments; none if it is not known."""

    command: tuple[str, ...]

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> MenuMaker:
        """Look which tool there is for the loader that starts this host."""
        kind = facts[BootStack].kind
        if kind is BootKind.GRUB:
            return cls(grub_menu_maker(host))
        tool = limine_tool(host) if kind is BootKind.LIMINE else ""
        return cls((tool,) if tool else ())


def grub_menu_maker(host: Reader) -> tuple[str, ...]:
    """Return what writes GRUB's menu, () if neither a tool nor a menu is seen."""
    if not isinstance(host.lstat("/usr/sbin/update-grub"), Missing):
        return ("update-grub",)
    for path in GRUB_MENUS:
        if not isinstance(host.lstat(path), Missing):
            tool = "grub2-mkconfig" if "grub2" in path else "grub-mkconfig"
            return (tool, "-o", path)
    return ()


def limine_tool(host: Reader) -> str:
    """Return the entry tool that is installed, "" if none is."""
    there = (t for t in LIMINE_TOOLS if _is_there(host, f"/usr/bin/{t}"))
    return next(there, "")


def _is_there(host: Reader, path: str) -> bool:
    return not isinstance(host.lstat(path), Missing)
