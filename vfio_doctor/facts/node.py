"""Who may open a device node: the kernel's own rule, and nothing more."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from vfio_doctor.host.reader import AclEntry, Stat

READ_WRITE = 6


def looks(stat: Stat) -> str:
    """Return ``root:qemu 0660`` for a node, ``+`` behind it for an ACL."""
    owner = stat.user or str(stat.uid)
    group = stat.group or str(stat.gid)
    return f"{owner}:{group} {stat.mode & 0o7777:04o}{'+' if stat.acl else ''}"


def may_open(
    stat: Stat, uid: int, gids: Collection[int], want: int = READ_WRITE
) -> bool:
    """Tell whether a process may open a node with the permission bits ``want``.

    ``uid`` and ``gids`` (primary and supplementary) are the process's; uid 0 may
    always. The algorithm is ACCESS CHECK ALGORITHM of acl(5); where the node has
    no ACL it is the classic owner, group, other. SELinux, AppArmor and device
    cgroups are not judged.
    """
    if uid == 0:
        return True
    if stat.acl:
        return _by_acl(stat, uid, gids, want)
    shift = 6 if uid == stat.uid else 3 if stat.gid in gids else 0
    return (stat.mode >> shift) & want == want


def _by_acl(stat: Stat, uid: int, gids: Collection[int], want: int) -> bool:
    entries = stat.acl
    if uid == stat.uid:
        return _grants(_tagged(entries, "user_obj"), want)
    mask = next((entry.perms for entry in entries if entry.tag == "mask"), 7)
    named = [entry for entry in _tagged(entries, "user") if entry.id == uid]
    if named:
        return _grants(named, want, mask)
    groups = [
        entry
        for entry in entries
        if (entry.tag == "group_obj" and stat.gid in gids)
        or (entry.tag == "group" and entry.id in gids)
    ]
    if groups:
        return _grants(groups, want, mask)
    return _grants(_tagged(entries, "other"), want)


def _tagged(entries: tuple[AclEntry, ...], tag: str) -> list[AclEntry]:
    return [entry for entry in entries if entry.tag == tag]


def _grants(entries: list[AclEntry], want: int, mask: int = 7) -> bool:
    return any(entry.perms & mask & want == want for entry in entries)
