"""The way to a file that root reads: whose folders it leads through.

In a folder that somebody else can write to, a name may be a link to what only
root may read, and may become one at any moment. From such a folder on, a path is
opened with the rights of the folder's owner.
"""

from __future__ import annotations

import errno
import os
import stat as modes
from typing import TYPE_CHECKING

from vfio_doctor.host.rights import NOBODY

if TYPE_CHECKING:
    from collections.abc import Sequence

LINKS_AT_MOST = 40
OTHERS_WRITE = modes.S_IWGRP | modes.S_IWOTH
# The kernel makes these: nobody can put a name into them.
KERNELS_OWN = ("/proc/", "/sys/")


class Ways:
    """Finds on whose folders a path depends; remembers the folders of root's."""

    def __init__(self, root: str) -> None:
        """Take the folder that stands for ``/``, without a slash at its end."""
        self._root = root
        self._folders: dict[str, os.stat_result] = {}

    def writer(self, path: str, follow: bool) -> int:
        """Return the uid of who can change what ``path`` names: 0 for root alone.

        It is the owner of the first folder on the way that is not root's alone;
        for one of root's that others may write to, the owner of what lies there
        where the folder is sticky, else nobody. Raises OSError where the path
        leads nowhere.
        """
        if not self._root and path.startswith(KERNELS_OWN):
            return 0
        left = [part for part in path.split("/") if part]
        here, links = "", 0
        while left:
            part = left.pop(0)
            if part in (".", ".."):
                here = here.rpartition("/")[0] if part == ".." else here
                continue
            folder, entry = self._folder(here), self._entry(f"{here}/{part}")
            if not _only_root_names(folder, entry):
                return _writer(folder, entry)
            if modes.S_ISLNK(entry.st_mode) and (left or follow):
                links += 1
                if links > LINKS_AT_MOST:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
                target = os.readlink(f"{self._root}{here}/{part}")
                here, left = _spliced(here, target, left)
                continue
            here = f"{here}/{part}"
        return 0

    def _folder(self, path: str) -> os.stat_result:
        if path not in self._folders:
            self._folders[path] = os.lstat(f"{self._root}{path}" or "/")
        return self._folders[path]

    def _entry(self, path: str) -> os.stat_result:
        """Look at a name; a folder that only root can move is looked at once."""
        return self._folders.get(path) or os.lstat(f"{self._root}{path}")


def others_write(path: str) -> bool:
    """Tell whether another account than root can change a file, or a folder's names.

    What cannot be looked at counts as changeable.
    """
    real = os.path.realpath(path)
    try:
        found = os.lstat(real)
        writer = Ways("").writer(real, follow=True)
    except OSError:
        return True
    return bool(writer or found.st_uid or found.st_mode & OTHERS_WRITE)


def _spliced(here: str, target: str, left: Sequence[str]) -> tuple[str, list[str]]:
    parts = [part for part in target.split("/") if part]
    return "" if target.startswith("/") else here, [*parts, *left]


def _writer(folder: os.stat_result, entry: os.stat_result) -> int:
    sticky = folder.st_mode & modes.S_ISVTX
    return folder.st_uid or (entry.st_uid if sticky else 0) or NOBODY


def _only_root_names(folder: os.stat_result, entry: os.stat_result) -> bool:
    """Tell whether only root can have put this entry into this folder.

    A group that may write counts as others, root's own too: where there is an
    access list its mask looks the same. In a sticky folder nobody moves what
    belongs to root, as in the store of NixOS; a second link may be anybody's.
    """
    if folder.st_uid != 0:
        return False
    if not folder.st_mode & OTHERS_WRITE:
        return True
    linked_once = modes.S_ISDIR(entry.st_mode) or entry.st_nlink == 1
    return bool(folder.st_mode & modes.S_ISVTX) and entry.st_uid == 0 and linked_once
