"""The forms that a VM is written down in, and which of them a text has."""

from __future__ import annotations

import re
from enum import Enum

# Bytes of a text that is read: a domain of thousands of devices has fewer.
LARGEST = 1 << 20


class Form(Enum):
    """How a VM is written down."""

    LIBVIRT = "libvirt"
    QEMU = "qemu"
    PROXMOX = "proxmox"
    QUICKEMU = "quickemu"


# XML in UTF-8 and in UTF-16; and what is nothing at all.
_XML = (b"<", b"\0<", b"\0\0", b"\xff\xfe", b"\xfe\xff")
_PROXMOX = re.compile(
    r"^(?:hostpci\d+|ostype|scsihw|cores|sockets|bios|args|vmgenid|smbios1|memory): ",
    re.MULTILINE,
)
_QUICKEMU = re.compile(r"^#!.*\bquickemu\b|^guest_os=", re.MULTILINE)
_QEMU = re.compile(r"(?:^|[\s/\"'=])(?:qemu-system-[\w]+|qemu-kvm|kvm)(?=[\s\"'\0]|$)")


def form_of(data: bytes) -> Form | None:
    """Return what a text looks like, None if like nothing that is read."""
    start = data.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not start or start.startswith(_XML):
        return Form.LIBVIRT
    text = start[:LARGEST].decode("utf-8", "replace")
    if _QUICKEMU.search(text):
        return Form.QUICKEMU
    if _PROXMOX.search(text):
        return Form.PROXMOX
    is_qemu = _QEMU.search(text) or re.match(r"--?[a-z]", text)
    return Form.QEMU if is_qemu else None
