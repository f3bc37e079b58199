"""What the initramfs loads early, in which order, and which files it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.base import missing_fact
from vfio_doctor.facts.images.initramfs import (
    SHELL_LISTS,
    TOOLS_LIST,
)
from vfio_doctor.facts.images.tool import ImageKind, ImageTool
from vfio_doctor.host.reader import Missing, text_or_noted
from vfio_doctor.parse.modprobe import module_name
from vfio_doctor.parse.modules_load import parse_initramfs_tools, parse_shell_list
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader

# Graphics drivers that take every card of their maker as soon as they are loaded.
GRAPHICS = ("amdgpu", "i915", "nouveau", "nvidia", "radeon", "xe")
VFIO_PCI = "vfio_pci"
# What puts files into an image by commands of its own.
MKINITCPIO_HOOKS = "/etc/initcpio/install/*"
DRACUT_MODULES = "/usr/lib/dracut/modules.d/*vfio*/module-setup.sh"
TOOLS_HOOKS = "/etc/initramfs-tools/hooks/*"


class InitramfsOrder(NamedTuple):
    """What the builder of the images loads, in order, and which files it puts in.

    ``config`` is the file that says so, "" if the host has none. ``hooks`` are
    mkinitcpio's; ``copied`` are the words of scripts that put files into the image.
    """

    modules: tuple[str, ...]
    files: tuple[str, ...]
    config: str
    tool: ImageKind = ImageKind.MKINITCPIO
    hooks: tuple[str, ...] = ()
    copied: tuple[str, ...] = ()

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> InitramfsOrder:
        """Read the builder's configuration: of several, that which loads vfio-pci."""
        kinds = facts[ImageTool].kinds
        found = [
            order
            for order in (_mkinitcpio(host), _dracut(host), _tools(host))
            if order.config and (len(kinds) != 1 or order.tool in kinds)
        ]
        for order in sorted(found, key=lambda order: not order.loads):
            return order._replace(copied=tuple(_copied(host, order.tool)))
        return cls((), (), "")

    def holds(self, path: str) -> bool:
        """Tell whether a path is in the image; lists are read as those of modules."""
        if module_name(path) in map(module_name, self.files):
            return True
        name = path.rpartition("/")[2]
        return any(word.rpartition("/")[2] == name for word in self.copied)

    @property
    def loads(self) -> bool:
        """Tell whether the image loads vfio-pci."""
        return VFIO_PCI in self.modules

    @property
    def lacks_modprobe_d(self) -> bool:
        """Tell whether mkinitcpio leaves modprobe.d out of the image."""
        return bool(self.hooks) and "modconf" not in self.hooks

    @property
    def earlier(self) -> str:
        """Return a graphics driver that is loaded before vfio-pci, or ""."""
        before = self.modules[: self.modules.index(VFIO_PCI)] if self.loads else ()
        return next((name for name in before if name in GRAPHICS), "")


def _mkinitcpio(host: Reader) -> InitramfsOrder:
    main, folder, variable = SHELL_LISTS[0]
    texts = _texts(host, main, folder)
    said = "\n".join(texts.values())
    return InitramfsOrder(
        parse_shell_list(said, variable),
        parse_shell_list(said, "FILES"),
        _home(texts, variable),
        ImageKind.MKINITCPIO,
        parse_shell_list(said, "HOOKS"),
    )


def _dracut(host: Reader) -> InitramfsOrder:
    main, folder, variable = SHELL_LISTS[1]
    texts = _texts(host, main, folder)
    said = "\n".join(texts.values())
    files = (*_list(said, "install_items"), *_list(said, "install_optional_items"))
    modules, home = _list(said, variable), _home(texts, variable)
    return InitramfsOrder(modules, files, home, ImageKind.DRACUT)


def _list(said: str, variable: str) -> tuple[str, ...]:
    return parse_shell_list(said, variable)


def _tools(host: Reader) -> InitramfsOrder:
    unread: list[Missing] = []
    text = text_or_noted(host, TOOLS_LIST, unread)
    if unread:
        raise missing_fact(unread[0])
    modules = tuple(map(module_name, parse_initramfs_tools(text).modules))
    config = TOOLS_LIST if text else ""
    return InitramfsOrder(modules, (), config, ImageKind.INITRAMFS_TOOLS)


def _texts(host: Reader, main: str, folder: str) -> dict[str, str]:
    """Return what the builder reads, in its order: a later file may replace lists."""
    names = host.list(folder)
    drop_ins = () if isinstance(names, Missing) else names
    paths = (main, *(f"{folder}/{n}" for n in drop_ins if n.endswith(".conf")))
    unread: list[Missing] = []
    texts = {path: text_or_noted(host, path, unread) for path in paths}
    if unread:
        raise missing_fact(unread[0])
    return {path: text for path, text in texts.items() if text}


def _home(texts: dict[str, str], variable: str) -> str:
    """Return the last file that sets a list, else the first one that is there."""
    setting = [p for p, text in texts.items() if parse_shell_list(text, variable)]
    return next(reversed(setting), next(iter(texts), ""))


def _copied(host: Reader, tool: ImageKind) -> Iterator[str]:
    pattern = {
        ImageKind.MKINITCPIO: MKINITCPIO_HOOKS,
        ImageKind.DRACUT: DRACUT_MODULES,
        ImageKind.INITRAMFS_TOOLS: TOOLS_HOOKS,
    }[tool]
    paths = host.glob(pattern)
    if isinstance(paths, Missing):
        if paths.hidden:
            raise missing_fact(paths)
        return
    unread: list[Missing] = []
    for path in paths:
        for line in text_or_noted(host, path, unread).splitlines():
            if not line.lstrip().startswith("#"):
                yield from (word.strip("\"';") for word in line.split())
    if unread:
        raise missing_fact(unread[0])
