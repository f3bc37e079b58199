"""Proxmox VE's VM configuration (qemu-server), as far as passthrough is concerned."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vfio_doctor.parse.domain_memory import Mapping, mappings
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_LINE = re.compile(r"([a-z]+\d*):[ \t]*(.*)")
_MAP = re.compile(r"\s+map[ \t]+(\S+)")
_HOSTPCI = re.compile(r"hostpci\d+")
_ADDRESS = re.compile(
    r"(?:([0-9a-fA-F]{4}):)?([0-9a-fA-F]{2}:[01][0-9a-fA-F])(\.[0-7])?"
)
# What qemu-server takes if nothing is said (PVE/QemuServer/Memory.pm), in MiB.
MEMORY_MIB = 512
_PAGES = {"2": 2 << 10, "1024": 1 << 20, "any": 0}


class Line(NamedTuple):
    """One setting; ``start`` is where its key begins, ``at`` its value."""

    key: str
    value: str
    start: int
    at: int

    @property
    def passes(self) -> bool:
        """Tell whether it passes a PCI function."""
        return _HOSTPCI.fullmatch(self.key) is not None


class PveVm(NamedTuple):
    """One VM: its name, and the functions or whole slots (``0000:01:00``) it gets.

    ``mapped`` are names of resource mappings, which stand for addresses elsewhere.
    ``page_kib`` is None if it asks for no huge pages, 0 if any size will do; Proxmox
    reserves them by itself when the VM starts. ``shared`` are the files that ``args:``
    has QEMU map.
    """

    name: str
    addresses: tuple[str, ...] = ()
    mapped: tuple[str, ...] = ()
    memory_kib: int = 0
    page_kib: int | None = None
    shared: tuple[Mapping, ...] = ()
    numa: bool = False
    onboot: bool = False


def lines(text: str) -> Iterator[Line]:
    """Yield the settings that count when the VM starts the next time.

    A section [PENDING] has what is put in then; all other sections are snapshots.
    """
    own, pending = _section(text, ""), _section(text, "[PENDING]")
    changed = {line.key for line in pending}
    for line in pending:
        if line.key == "delete":
            changed |= set(re.findall(r"[a-z]+\d*", line.value))
    yield from (line for line in own if line.key not in changed)
    yield from (line for line in pending if line.key != "delete")


def _section(text: str, name: str) -> list[Line]:
    """Return the lines of a section; those before the first have no name."""
    start, inside, found = 0, not name, []
    for line in text.split("\n"):
        if line.startswith("["):
            if inside:
                break
            inside = line.rstrip() == name
        elif inside and (said := _LINE.match(line)):
            value = said[2].rstrip()
            found.append(Line(said[1], value, start, start + said.start(2)))
        start += len(line) + 1
    return found


def parse_pve(text: str) -> PveVm:
    """Return what a configuration says."""
    addresses: list[str] = []
    mapped: list[str] = []
    said: dict[str, str] = {}
    for line in lines(text):
        said.setdefault(line.key, line.value)
        if line.passes:
            addresses += hosts(line.value)
            mapped += named(line.value)
    return PveVm(
        said.get("name", ""),
        tuple(addresses),
        tuple(mapped),
        memory_mib(said.get("memory", "")) << 10,
        _PAGES.get(said.get("hugepages", "")),
        _mapped(said.get("args", "")),
        said.get("numa") == "1",
        said.get("onboot") == "1",
    )


def _mapped(args: str) -> tuple[Mapping, ...]:
    if not args:
        return ()
    from vfio_doctor.parse.shell_words import words

    return tuple(mappings(word.value for word in words(args)))


def memory_mib(value: str) -> int:
    """Return the memory in MiB: a number, or ``current=`` and one."""
    number = value.partition(",")[0].removeprefix("current=")
    return int(number[:9]) if number.isascii() and number.isdigit() else MEMORY_MIB


def page_kib(value: str) -> int | None:
    """Return the size of huge pages, 0 for any, None for none."""
    return _PAGES.get(value)


def hosts(value: str) -> list[str]:
    """Return the functions, or whole slots, that a ``hostpci`` names.

    With ``mdev=`` the function stays with the host, and lends a part of itself.
    """
    found: list[str] = []
    if re.search(r"(?:^|,)mdev=", value):
        return found
    for word in value.split(","):
        key, equals, held = word.partition("=")
        if key == "host" or not equals:
            found += _addresses(held or key)
    return found


def named(value: str) -> list[str]:
    """Return the mappings that a ``hostpci`` names, to be passed whole."""
    if re.search(r"(?:^|,)mdev=", value):
        return []
    pairs = (word.partition("=") for word in value.split(","))
    return [held for key, _, held in pairs if key == "mapping" and held]


class Mapped(NamedTuple):
    """What a mapping stands for on one node: all of these functions at once."""

    node: str
    addresses: tuple[str, ...]


def parse_mapping(text: str) -> dict[str, tuple[Mapped, ...]]:
    """Return the lines of each mapping in ``/etc/pve/mapping/pci.cfg``."""
    found: dict[str, list[Mapped]] = {}
    name = ""
    for line in text.splitlines():
        if line and not line[0].isspace():
            name = line.strip()
            found.setdefault(name, [])
        elif name and (said := _MAP.match(line)):
            words = dict(word.partition("=")[::2] for word in said[1].split(","))
            addresses = _addresses(words.get("path", ""))
            if addresses:
                one = Mapped(words.get("node", ""), tuple(addresses))
                found[name].append(one)
    return {name: tuple(held) for name, held in found.items()}


def _addresses(value: str) -> list[str]:
    return [
        f"{domain or '0000'}:{slot}{function}".lower()
        for domain, slot, function in _ADDRESS.findall(value)
    ]
