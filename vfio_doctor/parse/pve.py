"""Proxmox VE's VM configuration (qemu-server), as far as passthrough is concerned."""

from __future__ import annotations

import re

from vfio_doctor.value import NamedTuple

_HOSTPCI = re.compile(r"hostpci\d+:\s*(\S+)")
_ADDRESS = re.compile(
    r"(?:([0-9a-fA-F]{4}):)?([0-9a-fA-F]{2}:[01][0-9a-fA-F])(\.[0-7])?"
)


class PveVm(NamedTuple):
    """One VM: its name, and the functions or whole slots (``0000:01:00``) it gets.

    ``mapped`` are names of resource mappings, which stand for addresses elsewhere.
    """

    name: str
    addresses: tuple[str, ...] = ()
    mapped: tuple[str, ...] = ()


def parse_pve(text: str) -> PveVm:
    """Return what a configuration says; sections behind the first are snapshots."""
    name, addresses, mapped = "", [], []
    for line in text.splitlines():
        if line.startswith("["):
            break
        if line.startswith("name:"):
            name = line.partition(":")[2].strip()
        if found := _HOSTPCI.match(line):
            words = found.group(1).split(",")
            for word in words:
                key, equals, value = word.partition("=")
                if key == "mapping" and equals:
                    mapped.append(value)
                elif key == "host" or not equals:
                    addresses += _addresses(value or key)
    return PveVm(name, tuple(addresses), tuple(mapped))


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
