"""Modules that the initramfs builders are told to load early."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.host.reader import Missing, read_text
from vfio_doctor.parse.modprobe import module_name
from vfio_doctor.parse.modules_load import parse_initramfs_tools, parse_shell_list
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader

TOOLS_LIST = "/etc/initramfs-tools/modules"
# Configuration in shell syntax, and the list that has modules loaded.
SHELL_LISTS = (
    ("/etc/mkinitcpio.conf", "/etc/mkinitcpio.conf.d", "MODULES"),
    ("/etc/dracut.conf", "/etc/dracut.conf.d", "force_drivers"),
)


class InitramfsModules(NamedTuple):
    """(module, path) of each module that an initramfs of this host loads.

    What cannot be read is left out. On an ostree host nothing is listed: its
    initramfs comes with the image and does not see ``/etc``.
    """

    modules: tuple[tuple[str, str], ...]

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> InitramfsModules:
        """Read the configuration of initramfs-tools, mkinitcpio and dracut."""
        if not isinstance(host.lstat("/run/ostree-booted"), Missing):
            return cls(())
        return cls((*_from_tools(host), *_from_shell(host)))

    def source(self, module: str) -> str | None:
        """Return the file that names a module, or None."""
        name = module_name(module)
        return next((path for found, path in self.modules if found == name), None)


def _from_tools(host: Reader) -> Iterator[tuple[str, str]]:
    text = read_text(host, TOOLS_LIST)
    if isinstance(text, str):
        for name in parse_initramfs_tools(text).modules:
            yield name, TOOLS_LIST


def _from_shell(host: Reader) -> Iterator[tuple[str, str]]:
    for main, folder, variable in SHELL_LISTS:
        names = host.list(folder)
        drop_ins = () if isinstance(names, Missing) else names
        files = (f"{folder}/{name}" for name in drop_ins if name.endswith(".conf"))
        for path in (main, *files):
            text = read_text(host, path)
            if isinstance(text, str):
                for name in parse_shell_list(text, variable):
                    yield name, path
