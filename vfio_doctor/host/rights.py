"""Whose rights a file is opened with: root's own, or those of somebody else.

Root that opens what a person points at opens it for that person. A check of the
path before would be a race; with the person's rights there is nothing to win.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# The kernel's overflow ids: an account that owns nothing.
NOBODY = 65534
LARGEST_ID = (1 << 32) - 2


def number(text: str) -> int | None:
    """Return a uid or gid, None for text that is none."""
    if not text.isascii() or not text.isdigit() or len(text) > 10:
        return None
    return int(text) if int(text) <= LARGEST_ID else None


def caller() -> tuple[int, int] | None:
    """Return the uid and gid of who called sudo or pkexec, None without them."""
    if os.geteuid() != 0:
        return None
    for variable in ("SUDO_UID", "PKEXEC_UID"):
        uid = number(os.environ.get(variable, ""))
        if uid:
            return uid, primary_group(uid)
    return None


def primary_group(uid: int) -> int:
    """Return an account's own group, nobody's where the account is not known."""
    import pwd

    try:
        return pwd.getpwuid(uid).pw_gid
    except (KeyError, OSError):
        return NOBODY


@contextmanager
def acting_as(uid: int, gid: int) -> Iterator[None]:
    """Open files with an account's rights and no supplementary groups.

    Only for root; raises PermissionError where root may not become others.
    """
    groups, own = os.getgroups(), os.getegid()
    os.setgroups([gid])
    try:
        os.setegid(gid)
        os.seteuid(uid)
        yield
    finally:
        os.seteuid(0)
        os.setegid(own)
        os.setgroups(groups)


@contextmanager
def as_caller() -> Iterator[None]:
    """Open files with the rights of who called sudo or pkexec; else as we are."""
    person = caller()
    if person is None:
        yield
        return
    # A Python below root's home cannot import anything more with these rights.
    import gzip as _gzip  # noqa: F401
    import tarfile as _tarfile  # noqa: F401

    with acting_as(*person):
        yield
