"""The VMs of a text, in whichever form it has them, each as elements."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.parse.vm_form import LARGEST, Form, form_of
from vfio_doctor.parse.xml_tree import NOT_ENCODED, TOO_LARGE, Refused, Source, read

if TYPE_CHECKING:
    from vfio_doctor.parse.pve_vm import Mapped
    from vfio_doctor.parse.xml_tree import Document


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
