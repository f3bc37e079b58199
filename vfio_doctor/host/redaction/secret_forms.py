"""Find what is private by its very form, wherever in a text it stands."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vfio_doctor.host.redaction.common_words import is_common
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator


class Secret(NamedTuple):
    """One private value: its kind, and its text as it stands."""

    kind: str
    text: str


HEX = "0-9A-Fa-f"
UUID = re.compile(
    rf"(?<![0-9A-Za-z])[{HEX}]{{8}}-(?:[{HEX}]{{4}}-){{3}}[{HEX}]{{12}}(?![0-9A-Za-z])"
)
# Machine ids, boot ids and UUIDs without their dashes; checksums are longer.
ID_128 = re.compile(rf"(?<![0-9A-Za-z])[{HEX}]{{32}}(?![0-9A-Za-z])")
MAC = re.compile(
    rf"(?<![0-9A-Za-z:])[{HEX}]{{2}}([:-])(?:[{HEX}]{{2}}\1){{4}}[{HEX}]{{2}}"
    r"(?![0-9A-Za-z:])"
)
PUBLIC_MACS = frozenset({"00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff"})
# How udev names network cards and their connections after the address.
MAC_NAME = re.compile(rf"(?:enx|wlx|wwx|MAC=)([{HEX}]{{12}})(?![0-9A-Za-z])")
EMAIL = re.compile(r"[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,8}([A-Za-z]{2,24})(?![\w-])")
_UNITS = "service socket target slice scope mount automount timer device path swap"
UNITS = frozenset(_UNITS.split())
IPV4 = re.compile(r"(?<![\w.-])(?:\d{1,3}\.){3}\d{1,3}(?![\w-]|\.\d)")
# What is written in four numbers like an address, and is none.
VERSION_BEFORE = re.compile(
    r"(?:version|ver|firmware|fw|bios|release|rev|v)[.:=\s\"'(]*$", re.IGNORECASE
)
IPV6 = re.compile(rf"(?<![\w:.])(?:[{HEX}]{{1,4}}:){{7}}[{HEX}]{{1,4}}(?![\w:.])")
IPV6_SHORT = re.compile(
    rf"(?<![\w:.])[{HEX}]{{1,4}}(?::[{HEX}]{{1,4}}){{0,6}}::"
    rf"(?:[{HEX}]{{1,4}}(?::[{HEX}]{{1,4}}){{0,6}})?(?![\w:.])"
)
DISK_ID = re.compile(r"/by-(id|label|partlabel|uuid|partuuid)/([^\s\"'<>,:]+)")
KINDS = {"id": "disk", "label": "label", "partlabel": "label"}
HOME = re.compile(r"/home/([^/\s\"'<>:,;)\]]+)")
MEDIA = re.compile(r"/(?:run/)?media/([^/\s\"'<>:,]+)/([^/\s\"'<>:,]+)")
VM_FILE = re.compile(
    r"/libvirt/(?:qemu|images|hooks/qemu\.d)/(?:[\w.-]{1,99}/){0,4}?([^/\s]{1,120}?)"
    r"(?:\.(?:xml|log|pid|monitor|sock|fd|qcow2|img|raw|save))(?![\w.])"
)
VM_GUEST = re.compile(r"(?:\bguest=|-name\s+)([\w.+-]+)")
PASSWORD = re.compile(
    r"(?i)(?:password|passwd|passphrase|\bpsk|secret|token|api_?key)"
    r"[\"']?\s*[=:]\s*[\"']?([^\s\"'<>,;]{4,})"
)
SSID = re.compile(r"(?im)\be?ssid(?:\s*[=:]\s*|\s+)(?:\"([^\"\n]+)\"|'([^'\n]+)')")
SSID_LINE = re.compile(r"(?im)^[ \t]*ssid[ \t]*=[ \t]*([^\"'\s;][^\n]*)$")
USB_SERIAL = re.compile(r"SerialNumber: (\S+)")
OWNER = re.compile(r"OWNER:?=\"([^\"$%]+)\"")
PUBLIC_HOMES = frozenset({"linuxbrew", "lost+found", "*", "..."})
# Kind, pattern and the text without which the pattern need not be tried.
_BY_GROUP = (
    ("mac", MAC_NAME, ""),
    ("user", HOME, "/home/"),
    ("vm", VM_FILE, "/libvirt/"),
    ("vm", VM_GUEST, ""),
    ("password", PASSWORD, ""),
    ("ssid", SSID_LINE, ""),
    ("serial", USB_SERIAL, "SerialNumber"),
)


def anywhere(text: str) -> Iterator[Secret]:
    """Yield what is private by its form: ids, addresses, homes, passwords."""
    yield from _ids(text)
    yield from _addresses(text)
    for kind, pattern, needed in _BY_GROUP:
        if needed in text:
            for found in pattern.finditer(text):
                name = found.group(1)
                if name not in PUBLIC_HOMES and not name.isdigit():
                    yield Secret(kind, name)
    for found in OWNER.finditer(text) if "OWNER" in text else ():
        if not is_common(found.group(1)):
            yield Secret("user", found.group(1))
    for found in SSID.finditer(text):
        yield Secret("ssid", found.group(1) or found.group(2))
    for found in MEDIA.finditer(text):
        yield Secret("user", found.group(1))
        yield Secret("label", found.group(2))
    for found in DISK_ID.finditer(text):
        yield from disk_name(found.group(1), found.group(2))


def disk_name(folder: str, name: str) -> Iterator[Secret]:
    """Yield what a name below ``/dev/disk/by-<folder>`` tells.

    The last word of an id is the serial number, which is also found elsewhere.
    """
    whole = re.sub(r"-part\d+$", "", name)
    yield Secret(KINDS.get(folder, "uuid"), whole)
    last = re.split(r"[_.]|wwn-0x", whole)[-1]
    if folder == "id" and len(last) >= 6 and any(c.isdigit() for c in last):
        yield Secret("serial", last)


def _ids(text: str) -> Iterator[Secret]:
    if "-" in text:
        for found in UUID.finditer(text):
            yield Secret("uuid", found.group())
    for found in ID_128.finditer(text):
        yield Secret("machine-id", found.group())


def _addresses(text: str) -> Iterator[Secret]:
    for found in MAC.finditer(text) if ":" in text or "-" in text else ():
        if found.group().lower() not in PUBLIC_MACS:
            yield Secret("mac", found.group())
    yield from _internet(text)
    for found in EMAIL.finditer(text) if "@" in text else ():
        if found.group(1) not in UNITS:
            yield Secret("email", found.group())


def _internet(text: str) -> Iterator[Secret]:
    if "::" in text or text.count(":") >= 7:
        for pattern in (IPV6, IPV6_SHORT):
            for found in pattern.finditer(text):
                if found.group() not in ("::", "::1"):
                    yield Secret("ipv6", found.group())
    for found in IPV4.finditer(text) if text.count(".") >= 3 else ():
        if _is_address(found.group(), text[max(0, found.start() - 16) : found.start()]):
            yield Secret("ipv4", found.group())


def _is_address(text: str, before: str) -> bool:
    numbers = [int(part) for part in text.split(".")]
    public = numbers[0] in (0, 127, 255)
    return max(numbers) < 256 and not public and not VERSION_BEFORE.search(before)
