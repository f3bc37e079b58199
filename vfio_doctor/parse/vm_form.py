"""The forms that a VM is written down in, and which of them a text has."""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING

from vfio_doctor.parse.xml_tree import (
    LARGEST,
    NOT_ENCODED,
    TOO_LARGE,
    Refused,
    Source,
    read,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from vfio_doctor.parse.xml_tree import Document

    Mapped = Callable[[str], tuple[tuple[str, ...], ...] | None]


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


def documents(
    data: bytes, mapped: Mapped | None = None
) -> tuple[Form, tuple[Document, ...] | Refused]:
    """Return the VMs that a text has, each as elements, or why it is not read.

    ``mapped`` tells what names of Proxmox's mappings stand for, see `pve_vm.read`.
    """
    form = form_of(data) or Form.LIBVIRT
    if form is Form.LIBVIRT:
        found = read(data)
        return form, found if isinstance(found, Refused) else (found,)
    if len(data) > LARGEST:
        return form, Refused(TOO_LARGE)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        spot = Source(data).spot(error.start)
        return form, Refused(NOT_ENCODED.filled(at=error.start, name="utf-8"), spot)
    return form, _read(form, text, mapped)


def _read(form: Form, text: str, mapped: Mapped | None) -> tuple[Document, ...]:
    if form is Form.PROXMOX:
        from vfio_doctor.parse import pve_vm

        return pve_vm.read(text, mapped)
    from vfio_doctor.parse import qemu_vm

    return qemu_vm.quickemu(text) if form is Form.QUICKEMU else qemu_vm.read(text)
