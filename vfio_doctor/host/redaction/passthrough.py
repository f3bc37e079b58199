"""What says that a device is meant for a VM, or is the host's: addresses only."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vfio_doctor.host.redaction import scrub
from vfio_doctor.parse import pci
from vfio_doctor.parse.modprobe import loads_itself

if TYPE_CHECKING:
    from vfio_doctor.host.redaction.names import Names

_STATES = frozenset(("connected", "disconnected", "enabled", "disabled", "unknown"))
_SETTING = re.compile(r"\s*(vm\.nr_(?:overcommit_)?hugepages\s*=\s*\d+)\s*")
_OVERRIDE = re.compile(
    r"\s*/?(?:sys/)?(bus/pci/devices/[0-9a-f:.]{12,16}/driver_override\s*=\s*[\w-]+)\s*"
)
_HOSTPCI = re.compile(r"hostpci\d+:\s*(?:host=)?([0-9a-fA-F:.;]+)(?=,|\s|$)")
_BOUND = re.compile(
    r"(?:[0-9a-f]{4}:)[0-9a-f]{2}:[0-9a-f]{2}\.[0-7](?:\|[0-9a-f:]{9})?"
)
_UNIT = re.compile(
    r"\s*(\[Service\]|\[[A-Z][a-z]+\]|LimitMEMLOCK\s*=\s*[\dA-Za-z:]{1,24}"
    r"|CapabilityBoundingSet\s*=\s*~?\s*(?:CAP_[A-Z_]{1,24}\s*){0,64})\s*"
)


def unit(text: str, names: Names) -> str:
    """Return what a unit says of rights and limits; other lines stay empty."""
    lines = text.splitlines()
    found = [match.group(1) if (match := _UNIT.fullmatch(x)) else "" for x in lines]
    names.leave_out("line of a unit", found.count(""))
    return "".join(f"{line}\n" for line in found)


def script(text: str, names: Names) -> str:
    """Return a script's overrides, and nothing else that it does."""
    lines = text.splitlines()
    addresses = pci.overridden(text)
    kept = [
        f"echo vfio-pci > /sys/bus/pci/devices/{a}/driver_override" for a in addresses
    ]
    if loads_itself(text):
        kept.append("modprobe -i vfio-pci")
    names.leave_out("line of a script", len(lines) - len(kept))
    return "".join(f"{line}\n" for line in ("#!/bin/sh", *kept))


def connector(text: str, names: Names) -> str:
    """Return whether a display is connected, or in use."""
    return scrub.words(text, names, _STATES)


def settings(text: str, names: Names) -> str:
    """Return the huge pages of a sysctl file."""
    return _kept(_SETTING, text, names)


def sysfs(text: str, names: Names) -> str:
    """Return the overrides of a sysfsutils file."""
    return _kept(_OVERRIDE, text, names)


def _kept(pattern: re.Pattern[str], text: str, names: Names) -> str:
    lines = text.splitlines()
    found = [m.group(1) for m in map(pattern.fullmatch, lines) if m]
    names.leave_out("line of settings", len(lines) - len(found))
    return "".join(f"{line}\n" for line in found)


def proxmox(text: str, names: Names) -> str:
    """Return the functions that a VM of Proxmox VE gets."""
    live = text.partition("\n[")[0].splitlines()
    found = [m.group(1) for m in map(_HOSTPCI.match, live) if m]
    names.leave_out("line of a VM", text.count("\n") - len(found))
    return "".join(f"hostpci{n}: {one}\n" for n, one in enumerate(found))


def unraid(text: str, names: Names) -> str:
    """Return the list of functions that Unraid binds."""
    found = _BOUND.findall(text) if text.startswith("BIND=") else []
    names.leave_out("word", len(text.split()) - len(found))
    return f"BIND={' '.join(found)}\n"


def routes(text: str, names: Names) -> str:
    """Return the default routes: through which card, and no address."""
    head, *lines = text.splitlines() or [""]
    rows = [line.split() for line in lines]
    kept = [r for r in rows if len(r) > 7 and r[1] == r[7] == "00000000"]
    names.leave_out("route", len(lines) - len(kept))
    zero = "00000000"
    shown = [
        "\t".join((scrub.word(r[0], names), zero, zero, "0003", "0", "0", "0", zero))
        for r in kept
    ]
    return "".join(f"{line}\n" for line in (scrub.words(head, names), *shown))


def swaps(text: str, names: Names) -> str:
    """Return nothing: disks are nobody's business."""
    names.leave_out("mount", text.count("\n"))
    return ""
