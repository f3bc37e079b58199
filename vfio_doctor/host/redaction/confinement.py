"""AppArmor and SELinux: rules for files, and what they tell the kernel log."""

from __future__ import annotations

import re
from posixpath import join
from typing import TYPE_CHECKING

from vfio_doctor.host.redaction import paths, scrub
from vfio_doctor.host.redaction.listed import listed
from vfio_doctor.parse.apparmor import parse

if TYPE_CHECKING:
    from vfio_doctor.host.redaction.names import Names
    from vfio_doctor.parse.denials import Denial

_APPARMOR = listed(
    "include if exists owner deny allow audit file quiet abstractions local"
    " flags profile attach_disconnected complain enforce"
)
# Not long enough for a name: r, rwk, mrix, Px.
_PERMS = re.compile(r"(?=.)[rwmklRWMKL]{0,5}(?:[iIpPuUcC]{0,3}x|a)?")
FOLDER = "/etc/apparmor.d"
_INCLUDE = re.compile(
    rf"(\#?include (?:if exists )?)[<\"](?:{FOLDER}/)?([^<>\"\s]{{1,200}})[>\"]"
)
_WORDS = re.compile(r"[A-Za-z]{1,9}")
REFUSED = "/dev/left-out,"
_LOADED = re.compile(
    r"(?:/usr/s?bin/)?(?:libvirtd|virtqemud) \((?:enforce|complain|kill|unconfined)\)"
)
RECORDS = listed(
    "open mknod getattr file_mmap file_perm read write map ioctl create"
    " svirt_t svirt_tcg_t virtd_t virtqemud_t device_t svirt_image_t svirt_tmpfs_t"
    " default_t memory_device_t fixed_disk_device_t user_home_t"
    " kvmfr_device_t vfio_device_t kvm_device_t tmpfs_t unlabeled_t user_tmp_t"
)


def apparmor(text: str, names: Names) -> str:
    """Return a file of AppArmor: its rules for files and its includes.

    A line that AppArmor refuses stays one, whatever was hidden in it.
    """
    lines = [_apparmor_line(line, names) for line in text.split("\n")]
    refused = {line for line, _ in parse("\n".join(lines)).wrong}
    for line, _ in parse(text).wrong:
        if line not in refused:
            lines[line - 1] = REFUSED
    return "\n".join(lines)


def profiles(text: str, names: Names) -> str:
    """Return which of libvirt's profiles are loaded; the others are counted."""
    lines = text.splitlines()
    kept = [line for line in lines if _LOADED.fullmatch(line)]
    names.leave_out("loaded profile of AppArmor", len(lines) - len(kept))
    return "".join(f"{line}\n" for line in kept)


def _apparmor_line(line: str, names: Names) -> str:
    body = line.strip()
    if body.startswith("#") and not body.startswith("#include"):
        return "#"
    included = _INCLUDE.match(body)
    if included:
        whole = paths.path(join(FOLDER, included[2]), names)
        name = whole.removeprefix(f"{FOLDER}/")
        return included[1] + (f'"{name}"' if name == whole else f"<{name}>")
    found = _WORDS.findall(body)
    perms = frozenset(word for word in found if _PERMS.fullmatch(word))
    return scrub.words(body.partition(" #")[0], names, _APPARMOR | perms)


def record(found: Denial, names: Names) -> str:
    """Return a record written anew from what was read in it."""
    what = " ".join(scrub.word(word, names, RECORDS) for word in found.what.split())
    if found.driver == "apparmor":
        prefix, dash, rest = found.subject.partition("-")
        profile = f"{scrub.word(prefix, names)}{dash}{scrub.word(rest, names)}"
        return (
            f'audit: apparmor="DENIED" operation="{what}" profile="{profile}"'
            f' name="{found.path}"'
        )
    source, target = (
        scrub.word(type_, names, RECORDS) for type_ in (found.subject, found.target)
    )
    place = ' dev="tmpfs"' if found.in_private else ""
    return (
        f'audit: avc: denied {{ {what} }} name="{found.path[5:]}"{place}'
        f" scontext=system_u:system_r:{source}:s0"
        f" tcontext=system_u:object_r:{target}:s0 tclass=chr_file permissive=0"
    )
