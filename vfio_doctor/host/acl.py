"""The binary form of a POSIX access ACL, as the xattr holds it."""

from __future__ import annotations

from vfio_doctor.host.reader import AclEntry

# Linux uapi/linux/posix_acl.h and posix_acl_xattr.h.
VERSION = 2
HEADER, ENTRY = 4, 8
NO_ID = 0xFFFFFFFF
TAGS = {
    0x01: "user_obj",
    0x02: "user",
    0x04: "group_obj",
    0x08: "group",
    0x10: "mask",
    0x20: "other",
}


def decode(data: bytes) -> tuple[AclEntry, ...]:
    """Return the entries of ``system.posix_acl_access``; () for what is none."""
    if int.from_bytes(data[:HEADER], "little") != VERSION:
        return ()
    entries: list[AclEntry] = []
    for start in range(HEADER, len(data) - ENTRY + 1, ENTRY):
        tag = int.from_bytes(data[start : start + 2], "little")
        perms = int.from_bytes(data[start + 2 : start + 4], "little")
        number = int.from_bytes(data[start + 4 : start + 8], "little")
        if tag in TAGS:
            who = -1 if number == NO_ID else number
            entries.append(AclEntry(TAGS[tag], who, perms & 7))
    return tuple(entries)
