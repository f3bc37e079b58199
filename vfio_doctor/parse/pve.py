"""Proxmox VE's VM configuration (qemu-server), as far as passthrough is concerned."""

from __future__ import annotations

import re

from vfio_doctor.value import NamedTuple

_HOSTPCI = re.compile(r"hostpci\d+:\s*(\S+)")
_ADDRESS = re.compile(
    r"(?:([0-9a-fA-F]{4}):)?([0-9a-fA-F]{2}:[01][0-9a-fA-F])(\.[0-7])?"
)
_SETTING = re.compile(r"(hugepages|numa|memory):\s*(?:current=)?([0-9a-z]{1,9})\s*$")
# What a VM has that names no size (PVE/QemuServer/Memory.pm).
DEFAULT_MIB = 512


class PveVm(NamedTuple):
    """One VM: its name, and the functions or whole slots (``0000:01:00``) it gets.

    ``mapped`` are names of resource mappings, which stand for addresses elsewhere.
    ``huge`` is the size of huge pages in MiB, ``any``, or "" if it asks for none.
    """

    name: str
    addresses: tuple[str, ...] = ()
    mapped: tuple[str, ...] = ()
    huge: str = ""
    numa: bool = False
    memory_mib: int = DEFAULT_MIB


def parse_pve(text: str) -> PveVm:
    """Return what a configuration says; sections behind the first are snapshots."""
    name, addresses, mapped = "", [], []
    said: dict[str, str] = {}
    for line in text.splitlines():
        if line.startswith("["):
            break
        if line.startswith("name:"):
            name = line.partition(":")[2].strip()
        if setting := _SETTING.match(line):
            said[setting.group(1)] = setting.group(2)
        if found := _HOSTPCI.match(line):
            words = found.group(1).split(",")
            for word in words:
                key, equals, value = word.partition("=")
                if key == "mapping" and equals:
                    mapped.append(value)
                elif key == "host" or not equals:
                    addresses += _addresses(value or key)
    return PveVm(
        name,
        tuple(addresses),
        tuple(mapped),
        _one_of(said, "hugepages", ("any", "2", "1024")),
        _one_of(said, "numa", ("1",)) == "1",
        int(size) if (size := said.get("memory", "")).isdigit() else DEFAULT_MIB,
    )


def _one_of(said: dict[str, str], key: str, words: tuple[str, ...]) -> str:
    return said.get(key, "") if said.get(key) in words else ""


def parse_mapping(text: str) -> dict[str, tuple[str, ...]]:
    """Return the addresses of each mapping in ``/etc/pve/mapping/pci.cfg``."""
    found: dict[str, tuple[str, ...]] = {}
    name = ""
    for line in text.splitlines():
        if line and not line[0].isspace():
            name = line.strip()
        elif name and (path := re.search(r"\bpath=([^,\s]+)", line)):
            found[name] = (*found.get(name, ()), *_addresses(path.group(1)))
    return found


def _addresses(value: str) -> list[str]:
    return [
        f"{domain or '0000'}:{slot}{function}".lower()
        for domain, slot, function in _ADDRESS.findall(value)
    ]
