"""Modules that the initramfs builders are told to load early."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.base import missing_fact
from vfio_doctor.facts.images.command import PLAIN, ImageCommands
from vfio_doctor.facts.images.tool import ImageKind
from vfio_doctor.host.reader import Missing, Why, text_or_noted
from vfio_doctor.parse.modprobe import module_name
from vfio_doctor.parse.modules_load import parse_initramfs_tools, parse_shell_list
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader

# Whose configuration lists modules, with the tool's name in its path.
LISTED = (ImageKind.INITRAMFS_TOOLS, ImageKind.MKINITCPIO, ImageKind.DRACUT)
TOOLS_LIST = "/etc/initramfs-tools/modules"
# Configuration in shell syntax, and the list that has modules loaded.
SHELL_LISTS = (
    ("/etc/mkinitcpio.conf", "/etc/mkinitcpio.conf.d", "MODULES"),
    ("/etc/dracut.conf", "/etc/dracut.conf.d", "force_drivers"),
)

# mkinitcpio's hook that puts the drivers of graphics cards into the image, where udev
# loads those for which there is a card.
KMS = "kms"
GRAPHICS = ("amdgpu", "i915", "nouveau", "radeon", "xe")


class InitramfsModules(NamedTuple):
    """(module, path) of each module that an initramfs of this host loads.

    ``unread`` are files and folders that could not be looked at. On an ostree host
    nothing is listed: its initramfs comes with the image and does not see ``/etc``.
    """

    modules: tuple[tuple[str, str], ...]
    unread: tuple[Missing, ...] = ()
    commands: ImageCommands = ImageCommands(PLAIN)

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> InitramfsModules:
        """Read the configuration of initramfs-tools, mkinitcpio and dracut."""
        if not isinstance(host.lstat("/run/ostree-booted"), Missing):
            return cls(())
        unread: list[Missing] = []
        found = (*_from_tools(host, unread), *_from_shell(host, unread))
        return cls(found, tuple(unread), facts[ImageCommands])

    def source(self, module: str) -> str | None:
        """Return the file that names a module, or None.

        Raises `MissingFact` if none does and one could not be read.
        """
        name = module_name(module)
        found = next((path for held, path in self.modules if held == name), None)
        if not found and self.unread:
            raise missing_fact(self.unread[0])
        return found

    def rebuild(self, *modules: str) -> tuple[str, str] | None:
        """Return (file that names one of them, command that makes the image anew).

        The image holds modprobe.d as it was when the image was made. None if no file
        that could be read names one.
        """
        names = {module_name(module) for module in modules}
        path = next((path for held, path in self.modules if held in names), None)
        if path is None:
            return None
        kind = next(kind for kind in LISTED if kind.value in path)
        return path, self.commands.of(kind)


def _from_tools(host: Reader, unread: list[Missing]) -> Iterator[tuple[str, str]]:
    text = text_or_noted(host, TOOLS_LIST, unread)
    for name in parse_initramfs_tools(text).modules:
        yield name, TOOLS_LIST


def _is_read(name: str) -> bool:
    return name.endswith(".conf") and not name.startswith(".")


def _from_shell(host: Reader, unread: list[Missing]) -> Iterator[tuple[str, str]]:
    for main, folder, variable in SHELL_LISTS:
        names = host.list(folder)
        if isinstance(names, Missing) and names.why is not Why.ABSENT:
            unread.append(names)
        drop_ins = () if isinstance(names, Missing) else names
        files = (f"{folder}/{name}" for name in drop_ins if _is_read(name))
        texts: dict[str, str] = {}
        for path in (main, *files):
            texts[path] = text_or_noted(host, path, unread)
        for name in parse_shell_list("\n".join(texts.values()), variable):
            yield name, _home(name, texts, variable)
        if KMS in parse_shell_list("\n".join(texts.values()), "HOOKS"):
            home = _home(KMS, texts, "HOOKS")
            yield from ((driver, home) for driver in GRAPHICS)


def _home(name: str, texts: dict[str, str], variable: str) -> str:
    """Return the last file whose own words name a module, of those that do."""
    named = [p for p, text in texts.items() if name in parse_shell_list(text, variable)]
    return next(reversed(named), next(iter(texts)))
