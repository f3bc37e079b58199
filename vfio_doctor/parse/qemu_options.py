"""Options of QEMU: plain ones with commas, and JSON."""

from __future__ import annotations

from posixpath import basename
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# What stands without a key at the head of a plain argument.
HEADS = {
    "object": "qom-type",
    "device": "driver",
    "cpu": "model",
    "machine": "type",
    "smp": "cpus",
    "m": "size",
    "drive": "file",
}
# An option that holds more is none that a person or libvirt writes.
LONGEST = 4096
_SHIFTS = {"": 0, "b": 0, "k": 10, "m": 20, "g": 30, "t": 40}
_SWAPPED = str.maketrans("'\"", "\"'")


def json_fields(text: str) -> dict[str, object] | None:
    """Return an object as QEMU reads it, in either kind of quotes; None if not one."""
    from json import loads

    for spelt in (text, text.translate(_SWAPPED)):
        try:
            found = loads(spelt)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            return found
    return None


def json_fault(text: str) -> int:
    """Return the character of an argument from which on it is no JSON."""
    from json import JSONDecodeError, loads

    found = 0
    for spelt in (text, text.translate(_SWAPPED)):
        try:
            loads(spelt)
        except JSONDecodeError as error:
            found = max(found, error.pos)
        except (ValueError, RecursionError):
            continue
    return found


def is_json(text: str) -> bool:
    """Tell whether an argument is an object of JSON, or wants to be."""
    return text.lstrip().startswith("{")


def fields(option: str, text: str) -> Mapping[str, object]:
    """Return an argument's keys and values; {} if it is JSON that QEMU cannot read."""
    if is_json(text):
        return json_fields(text) or {}
    values: dict[str, object] = {}
    # A doubled comma stands for one (util/qemu-option.c).
    for at, item in enumerate(text.replace(",,", "\0").split(",")):
        key, equals, value = item.replace("\0", ",").partition("=")
        if at == 0 and not equals and option in HEADS:
            values[HEADS[option]] = key
        else:
            values[key] = value if equals else "on"
    return values


def in_bytes(value: object) -> int | None:
    """Return a size as QEMU reads it: a number of bytes, or one with a unit."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    text = str(value or "").strip().lower()
    digits = text.rstrip("bkmgt")
    unit = text[len(digits) :]
    if not (digits.isascii() and digits.isdigit() and unit in _SHIFTS):
        return None
    return int(digits[:18]) << _SHIFTS[unit]


def is_on(value: object) -> bool:
    """Tell whether a switch is on."""
    return value is True or str(value).lower() in ("on", "yes", "true", "y")


def passed_address(device: Mapping[str, object]) -> str:
    """Return the address of the function that a vfio-pci device names."""
    host = str(device.get("host", "")) or basename(
        str(device.get("sysfsdev", "")).rstrip("/")
    )
    return (host if host.count(":") == 2 else f"0000:{host}").lower()


def rom_told(device: Mapping[str, object]) -> dict[str, str]:
    """Return what a device's options say of its ROM, in the words of libvirt's XML."""
    told = {}
    if file := str(device.get("romfile", "")):
        told["file"] = file
    if str(device.get("rombar", "")).lower() in ("0", "off", "no", "false"):
        told["bar"] = "off"
    return told
