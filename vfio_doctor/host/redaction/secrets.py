"""Find what is private in the text of known files: typed, by where it stands.

Each finder knows one format and yields `Secret` values: the exact text and its
kind. Nothing is replaced here; `redact` does that everywhere at once.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vfio_doctor.host.redaction.common_words import is_common
from vfio_doctor.host.redaction.secret_forms import Secret, anywhere, disk_name

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Secret", "anywhere", "disk_name"]

FIRST_PERSON = 1000
# Greeters, dynamic users, what Debian gives out (libvirt-qemu), and nobody.
NOT_PEOPLE = range(60514, 65536)
_DEVICE_KEYS = """
root resume boot mount.usr cryptdevice rd.luks.name rd.luks.uuid luks.uuid luks.name
rd.lvm.lv rd.lvm.vg rd.md.uuid
"""
DEVICE_KEYS = frozenset(_DEVICE_KEYS.split())
_DOMAINS = "lan local localdomain home internal intern fritz.box home.arpa"
OPEN_DOMAINS = frozenset(_DOMAINS.split())
# What makers write where they give no serial number.
_NO_SERIAL = """
none unknown default string to be filled by o.e.m. not specified n/a invalid
0123456789 123456789 1234567890 0123456789abcdef
"""
NO_SERIAL = frozenset(_NO_SERIAL.split())


def is_person(number: int) -> bool:
    """Tell whether a uid or gid belongs to a person rather than to the system."""
    return number >= FIRST_PERSON and number not in NOT_PEOPLE


def _is_person(number: str) -> bool:
    known = number.isascii() and number.isdigit() and len(number) < 12
    return known and is_person(int(number))


def in_passwd(text: str) -> Iterator[Secret]:
    """Yield the people of ``/etc/passwd``: account, full name, home."""
    for line in text.splitlines():
        parts = line.split(":")
        if len(parts) < 6 or not _is_person(parts[2]):
            continue
        yield Secret("user", parts[0])
        for name in parts[4].split(","):
            yield from _in_full_name(name.strip())
        home = parts[5].rstrip("/").rpartition("/")[2]
        if "/home/" in parts[5]:
            yield Secret("user", home)


def system_accounts(text: str) -> Iterator[str]:
    """Yield the accounts of ``/etc/passwd`` or ``/etc/group`` that are no person's."""
    for line in text.splitlines():
        parts = line.split(":")
        if len(parts) > 2 and not _is_person(parts[2]):
            yield parts[0]


def _in_full_name(name: str) -> Iterator[Secret]:
    yield Secret("name", name)
    for part in name.split():
        if len(part) > 3 and not is_common(part):
            yield Secret("name", part)


def in_group(text: str) -> Iterator[Secret]:
    """Yield the groups of ``/etc/group`` that people have made."""
    for line in text.splitlines():
        parts = line.split(":")
        if len(parts) == 4 and _is_person(parts[2]):
            yield Secret("group", parts[0])


def in_hostname(text: str) -> Iterator[Secret]:
    """Yield a host's name, its first part, and a domain of its own."""
    name = text.strip().rstrip(".")
    first, _, domain = name.partition(".")
    if name and first not in ("localhost", "(none)"):
        yield Secret("host", name)
        yield Secret("host", first)
    if domain and domain not in OPEN_DOMAINS and first != "localhost":
        yield Secret("domain", domain)


def in_hosts(text: str) -> Iterator[Secret]:
    """Yield the names in ``/etc/hosts``."""
    for line in text.splitlines():
        for name in line.partition("#")[0].split()[1:]:
            if not name.startswith(("localhost", "ip6-", "ff02")):
                yield from in_hostname(name)


def in_machine_id(text: str) -> Iterator[Secret]:
    """Yield the machine id (32 hexadecimal digits)."""
    if re.fullmatch(r"[0-9a-f]{32}", text.strip()):
        yield Secret("machine-id", text.strip())


def in_words(words: tuple[str, ...]) -> Iterator[Secret]:
    """Yield what kernel arguments say of disks, network and host."""
    for word in words:
        key, _, value = word.strip('"').partition("=")
        value = value.strip('"')
        if key == "systemd.hostname":
            yield from in_hostname(value)
        elif key == "systemd.machine_id":
            yield from in_machine_id(value)
        elif key == "ip":
            yield from in_hostname(f"{value}:::::".split(":")[4])
        elif key in ("inst.ks", "nfsroot", "netroot"):
            yield from _in_address(value)
        elif key in DEVICE_KEYS:
            yield from _in_device(value)


def _in_address(value: str) -> Iterator[Secret]:
    form = r"//([^/:]+)" if "//" in value else r"^(?:nfs:)?([\w.-]+):"
    host = re.search(form, value)
    if host and not host.group(1).replace(".", "").isdigit():
        yield from in_hostname(host.group(1))


def _in_device(value: str) -> Iterator[Secret]:
    head, _, rest = value.partition("=")
    rest, _, mapped = rest.partition(":")
    yield Secret("volume", mapped)
    if head in ("LABEL", "PARTLABEL"):
        yield Secret("label", rest)
    elif head in ("UUID", "PARTUUID"):
        yield Secret("uuid", rest.partition("/")[0])
    elif re.fullmatch(r"(?:luks-)?[0-9a-fA-F-]{36}", head):
        yield Secret("uuid", head.removeprefix("luks-"))
        yield Secret("volume", rest)
    elif value.startswith("/dev/mapper/"):
        yield Secret("volume", value.removeprefix("/dev/mapper/").partition(":")[0])
    elif "/" in value and not value.startswith(("/", "subvol", "(")):
        for part in value.split("/"):
            yield Secret("volume", part)


def in_domain(text: str) -> Iterator[Secret]:
    """Yield the names, titles and identifiers of a libvirt domain's XML."""
    from html import unescape

    for tag in ("name", "title", "description", "serial", "uuid"):
        for found in re.finditer(
            rf"<{tag}(?:\s[^>]{{0,200}})?>([^<]{{1,400}})</{tag}>", text
        ):
            kind = tag if tag in ("uuid", "serial") else "vm"
            for form in {found.group(1), unescape(found.group(1))}:
                yield Secret(kind, form.strip())
    for found in re.finditer(r"<entry name='(?:serial|asset)'>([^<]+)<", text):
        yield Secret("serial", found.group(1).strip())
    for found in re.finditer(r"(?:ssid|passwd|password)=['\"]([^'\"]+)", text):
        yield Secret("password", found.group(1))


def in_properties(properties: tuple[tuple[str, str], ...]) -> Iterator[Secret]:
    """Yield serial numbers and network names among udev properties."""
    for key, value in properties:
        kind = kind_of_property(key)
        if kind:
            yield Secret(kind, value)


def kind_of_property(key: str) -> str:
    """Return what kind of private value a udev property holds, "" for none."""
    if "SERIAL" in key or key.endswith(("_WWN", "_WWN_WITH_EXTENSION")):
        return "serial"
    if key.endswith(("UUID", "UUID_ENC")) and "TYPE" not in key:
        return "uuid"
    if "LABEL" in key or key.endswith("PART_ENTRY_NAME"):
        return "label" if "SECLABEL" not in key else ""
    return "ssid" if "SSID" in key else ""


def in_log(text: str) -> Iterator[Secret]:
    """Yield what kernel and system log lines give away by their wording."""
    for found in re.finditer(r"[Hh]ostname (?:set )?to <([^>]+)>", text):
        yield from in_hostname(found.group(1))
    for found in re.finditer(r"BTRFS: device label (\S+) devid", text):
        yield Secret("label", found.group(1))
    for found in re.finditer(r"EXT4-fs \(([^)\s]+)\)", text):
        if "-" in found.group(1) and not found.group(1).startswith("dm-"):
            yield Secret("volume", found.group(1))


def in_serial(text: str) -> Iterator[Secret]:
    """Yield a serial number that fills a whole file of sysfs."""
    if is_serial(text.strip()):
        yield Secret("serial", text.strip())


def is_serial(text: str) -> bool:
    """Tell whether this can be the serial number of one thing in the world."""
    words = text.lower().split()
    return len(set(text)) > 2 and not all(word in NO_SERIAL for word in words)
