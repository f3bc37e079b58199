"""What AppArmor and SELinux kept QEMU from, as they tell the kernel log."""

from __future__ import annotations

import re

from vfio_doctor.value import NamedTuple

NODE = "kvmfr"
_FIELD = r'(\w+)=(?:"([^"]*)"|(\S+))'
_WANTED = r"avc: {1,4}denied {1,4}\{([^}]{0,200})\}"


class Denial(NamedTuple):
    """One record about a kvmfr device; ``line`` is the record itself.

    ``what`` is what was asked for: ``open``, or ``read write``. ``subject`` is the
    profile or the type of who asked, ``target`` the type of the node. ``in_private``
    is true if the record proves that the node is in the VM's own ``/dev``.
    """

    driver: str
    path: str
    what: str
    subject: str
    target: str
    in_private: bool
    line: str


def denials(text: str) -> tuple[Denial, ...]:
    """Return the records about kvmfr devices that were not only noted down."""
    lines = (line for line in text.splitlines() if NODE in line)
    return tuple(found for line in lines if (found := denial(line)))


def denial(line: str) -> Denial | None:
    """Return what a line of the log says; None if it is no such record."""
    fields = {name: quoted or plain for name, quoted, plain in re.findall(_FIELD, line)}
    path = fields.get("path") or fields.get("name", "")
    name = path.rpartition("/")[2]
    if not re.fullmatch(rf"{NODE}\d{{1,3}}", name):
        return None
    path = f"/dev/{name}"
    if fields.get("apparmor") == "DENIED":
        what, profile = fields.get("operation", ""), fields.get("profile", "")
        # What is not there is denied as "mknod": then the node is in no /dev.
        there = what != "mknod"
        return Denial("apparmor", path, what, profile, "", there, line)
    wanted = re.search(_WANTED, line)
    if wanted is None or fields.get("permissive") == "1":
        return None
    return Denial(
        "selinux",
        path,
        " ".join(wanted[1].split()),
        type_of(fields.get("scontext", "")),
        type_of(fields.get("tcontext", "")),
        fields.get("dev") == "tmpfs" and fields.get("tclass") == "chr_file",
        line,
    )


def type_of(label: str) -> str:
    """Return the type of an SELinux label, "" if there is none."""
    return (label.split(":") + ["", "", ""])[2]


def categories_of(label: str) -> str:
    """Return the categories of an SELinux label, "" if it has none: ``c12,c34``."""
    return (label.split(":") + [""] * 5)[4]
