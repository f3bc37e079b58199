"""Find what is private in the text of known files: typed, by where it stands.

Each finder knows one format and yields `Secret` values: the exact text and its
kind. Nothing is replaced here; `host.redaction` does that everywhere at once.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST_PERSON = 1000
NOBODY = 65534

UUID = re.compile(
    r"(?<![0-9A-Za-z])[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}(?![0-9A-Za-z])"
)
MAC = re.compile(
    r"(?<![0-9A-Za-z:])(?:[0-9a-fA-F]{2}([:-]))(?:[0-9a-fA-F]{2}\1){4}[0-9a-fA-F]{2}"
    r"(?![0-9A-Za-z:])"
)
EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
IPV4 = re.compile(r"(?<![\w.-])(?:\d{1,3}\.){3}\d{1,3}(?![\w-]|\.\d)")
IPV6 = re.compile(r"(?<![\w:.])(?:[0-9a-fA-F]{1,4}:){7}[0-9a-fA-F]{1,4}(?![\w:.])")
IPV6_SHORT = re.compile(
    r"(?<![\w:.])[0-9a-fA-F]{1,4}(?::[0-9a-fA-F]{1,4}){0,6}::"
    r"(?:[0-9a-fA-F]{1,4}(?::[0-9a-fA-F]{1,4}){0,6})?(?![\w:.])"
)
DISK_ID = re.compile(r"/dev/disk/by-(?:id|label|partlabel)/([^\s\"'<>,]+)")
HOME = re.compile(r"/(?:var/)?home/([^/\s\"'<>:,]+)")
SERIAL_KEYS = ("ID_SERIAL", "ID_SERIAL_SHORT", "ID_USB_SERIAL", "ID_USB_SERIAL_SHORT")
DEVICE_KEYS = [
    "root",
    "resume",
    "boot",
    "rootflags",
    "mount.usr",
    "nfsroot",
    "ip",
    "nameserver",
    "cryptdevice",
    "inst.ks",
    "rd.luks.name",
    "rd.luks.uuid",
    "rd.luks.options",
    "rd.luks.key",
    "luks.uuid",
    "luks.name",
    "rd.lvm.lv",
    "rd.lvm.vg",
    "rd.md.uuid",
    "systemd.hostname",
    "systemd.machine_id",
]
PUBLIC_IPV4 = ("127.0.0.1", "0.0.0.0", "255.255.255.255", "127.0.1.1")


class Secret(NamedTuple):
    """One private value: its text as it stands, and its kind."""

    kind: str
    text: str


def _is_person(number: str) -> bool:
    known = number.isdecimal() and len(number) < 12
    return known and int(number) >= FIRST_PERSON and int(number) != NOBODY


def in_passwd(text: str) -> Iterator[Secret]:
    """Yield the people of ``/etc/passwd``: account, full name, home."""
    for line in text.splitlines():
        parts = line.split(":")
        if len(parts) < 6:
            continue
        if _is_person(parts[2]):
            yield Secret("user", parts[0])
            for name in parts[4].split(","):
                yield Secret("name", name.strip())
            home = parts[5].rpartition("/")[2]
            if home != parts[0] and "/home/" in parts[5]:
                yield Secret("home", home)


def in_group(text: str) -> Iterator[Secret]:
    """Yield the groups of ``/etc/group`` that people have made."""
    for line in text.splitlines():
        parts = line.split(":")
        if len(parts) == 4 and _is_person(parts[2]):
            yield Secret("user", parts[0])


def in_hostname(text: str) -> Iterator[Secret]:
    """Yield a host's name, and its first part where it has a domain."""
    name = text.strip()
    if name and name not in ("localhost", "localhost.localdomain", "(none)"):
        yield Secret("host", name)
        yield Secret("host", name.partition(".")[0])


def in_machine_id(text: str) -> Iterator[Secret]:
    """Yield the machine id (32 hexadecimal digits)."""
    if re.fullmatch(r"[0-9a-f]{32}", text.strip()):
        yield Secret("machine-id", text.strip())


def in_words(words: tuple[str, ...]) -> Iterator[Secret]:
    """Yield what kernel arguments say of disks, network and host."""
    for word in words:
        key, _, value = word.partition("=")
        value = value.strip('"')
        if key == "systemd.hostname":
            yield from in_hostname(value)
        elif key == "systemd.machine_id":
            yield from in_machine_id(value)
        elif key in DEVICE_KEYS:
            yield from _in_device(value)


def _in_device(value: str) -> Iterator[Secret]:
    head, _, rest = value.partition("=")
    if head in ("LABEL", "PARTLABEL"):
        yield Secret("label", rest)
    elif head in ("UUID", "PARTUUID", "luks-UUID"):
        yield Secret("uuid", rest.partition(":")[0])
    elif value.startswith("luks-"):
        yield Secret("uuid", value.removeprefix("luks-"))
    elif value.startswith("/dev/mapper/"):
        yield Secret("volume", value.removeprefix("/dev/mapper/"))
    elif "/" in value and not value.startswith(("/", "subvol")):
        for part in value.split("/"):
            yield Secret("volume", part)


def in_domain(text: str) -> Iterator[Secret]:
    """Yield the names, titles and identifiers of a libvirt domain's XML."""
    for tag in ("name", "title", "description", "serial", "uuid"):
        for found in re.finditer(rf"<{tag}[^>]*>([^<]+)</{tag}>", text):
            kind = {"uuid": "uuid", "serial": "serial"}.get(tag, "vm")
            yield Secret(kind, found.group(1).strip())
    for found in re.finditer(r"<entry name='(?:serial|asset)'>([^<]+)<", text):
        yield Secret("serial", found.group(1).strip())
    for found in re.finditer(r"(?:ssid|passwd|password)=['\"]([^'\"]+)", text):
        yield Secret("password", found.group(1))


def in_properties(properties: tuple[tuple[str, str], ...]) -> Iterator[Secret]:
    """Yield serial numbers and network names among udev properties."""
    for key, value in properties:
        if key in SERIAL_KEYS or key.endswith("_SERIAL") or "SERIAL_SHORT" in key:
            yield Secret("serial", value)
        elif key.endswith("UUID") or key.endswith("UUID_ENC"):
            yield Secret("uuid", value)
        elif "LABEL" in key or key.endswith("PART_ENTRY_NAME"):
            yield Secret("label", value)
        elif "SSID" in key:
            yield Secret("ssid", value)


def in_log(text: str) -> Iterator[Secret]:
    """Yield what kernel and wireless log lines give away by their wording."""
    for found in re.finditer(r"SSID[ =:]+['\"]([^'\"]+)['\"]", text):
        yield Secret("ssid", found.group(1))
    for found in re.finditer(r"SerialNumber: (\S+)", text):
        yield Secret("serial", found.group(1))
    for found in re.finditer(r"Hostname set to <([^>]+)>", text):
        yield from in_hostname(found.group(1))


def anywhere(text: str) -> Iterator[Secret]:
    """Yield what is private by its very form, wherever it stands."""
    forms = (("uuid", UUID), ("mac", MAC), ("email", EMAIL), ("ipv6", IPV6))
    for kind, pattern in (*forms, ("ipv6", IPV6_SHORT), ("ipv4", IPV4)):
        for found in pattern.finditer(text):
            if _is_private(kind, found.group()):
                yield Secret(kind, found.group())
    for found in DISK_ID.finditer(text):
        yield Secret("disk", found.group(1))
    for found in HOME.finditer(text):
        yield Secret("user", found.group(1))


def _is_private(kind: str, text: str) -> bool:
    if kind == "ipv4":
        octets = all(int(part) < 256 for part in text.split("."))
        return octets and text not in PUBLIC_IPV4
    return text not in ("::", "::1")
