"""The system calls that change files: one thin layer, so that a test can count.

Paths are absolute as the host sees them; a root folder stands before them in
tests. No symbolic link is followed, neither at the end of a path nor on the way:
a link in a folder that others may write to would lead root astray.
"""

from __future__ import annotations

import errno
import os
import stat as modes
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from vfio_doctor.facts.base import Said
from vfio_doctor.messages import say, verbatim
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vfio_doctor.model import Message

P = ParamSpec("P")
R = TypeVar("R")

CHUNK = 1 << 16
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
# Signatures over the content: a copy of them on other content would be a lie.
NOT_COPIED = ("security.ima", "security.evm")


# By the type of what is in the way.
NOT_REGULAR = {
    modes.S_IFLNK: say("path-is-a-link", "{path} is a symbolic link, not a file"),
    modes.S_IFDIR: say("path-is-a-folder", "{path} is a folder, not a file"),
    modes.S_IFIFO: say("path-is-a-pipe", "{path} is a pipe, not a regular file"),
    modes.S_IFSOCK: say("path-is-a-socket", "{path} is a socket, not a regular file"),
}
NO_FOLDER = say("path-is-no-folder", "{path} is a symbolic link, or not a folder")
REPLACED = say("file-replaced", "{path} was replaced while it was read")
DEVICE = say("path-is-a-device", "{path} is a device, not a regular file")


class StepFailed(Said):
    """A step could not be made or taken back; the message says why."""


def reason(error: OSError | StepFailed) -> Message:
    """Return why something failed; the kernel's own words stay as they are."""
    return error.message if isinstance(error, StepFailed) else verbatim(str(error))


class Held(NamedTuple):
    """A regular file whole: content, permission bits, owner, extended attributes."""

    data: bytes
    mode: int
    uid: int
    gid: int
    xattrs: tuple[tuple[str, bytes], ...] = ()


class Filesystem:
    """The calls, each made through `call`. All raise OSError as the kernel does."""

    def __init__(self, root: str = "/") -> None:
        """Take the folder that stands for ``/``."""
        self.root = root.rstrip("/") or "/"

    def call(
        self, function: Callable[P, R], *arguments: P.args, **named: P.kwargs
    ) -> R:
        """Make one system call. Tests override this to fail it or to die in it."""
        return function(*arguments, **named)

    def folder(self, path: str) -> int:
        """Open a folder part by part and return its descriptor.

        Raises `StepFailed` where a part is a symbolic link or no folder.
        """
        here = self.call(os.open, self.root, os.O_RDONLY | os.O_CLOEXEC)
        seen = ""
        for part in [p for p in path.split("/") if p]:
            seen = f"{seen}/{part}"
            try:
                inner = self.call(os.open, part, FOLDER, dir_fd=here)
            except OSError as error:
                if error.errno in (errno.ENOTDIR, errno.ELOOP):
                    raise StepFailed(NO_FOLDER.filled(path=seen)) from error
                raise
            finally:
                os.close(here)
            here = inner
        return here

    def create(self, folder: int, name: str) -> int:
        """Create a file that only root may read yet; one that is there is an error."""
        return self.call(os.open, name, CREATE, 0o600, dir_fd=folder)

    def write(self, fd: int, data: bytes) -> None:
        """Write all of the data."""
        while data:
            data = data[self.call(os.write, fd, data[:CHUNK]) :]

    def fsync(self, fd: int) -> None:
        """Have the kernel bring a file or a folder to the disk."""
        self.call(os.fsync, fd)

    def close(self, fd: int) -> None:
        """Close a descriptor that was written to."""
        self.call(os.close, fd)

    def rename(self, folder: int, old: str, new: str) -> None:
        """Give a file another name in its folder; the other is replaced at once."""
        self.call(os.rename, old, new, src_dir_fd=folder, dst_dir_fd=folder)

    def link(self, folder: int, old: str, new: str) -> None:
        """Give a file a second name in its folder."""
        self.call(
            os.link,
            old,
            new,
            src_dir_fd=folder,
            dst_dir_fd=folder,
            follow_symlinks=False,
        )

    def unlink(self, folder: int, name: str) -> None:
        """Take a name away."""
        self.call(os.unlink, name, dir_fd=folder)

    def mkdir(self, folder: int, name: str, mode: int = 0o755) -> None:
        """Make a folder with exactly this mode."""
        mask = os.umask(0)
        try:
            self.call(os.mkdir, name, mode, dir_fd=folder)
        finally:
            os.umask(mask)

    def rmdir(self, folder: int, name: str) -> None:
        """Remove an empty folder."""
        self.call(os.rmdir, name, dir_fd=folder)

    def dress(self, fd: int, held: Held) -> None:
        """Give an open file the owner, mode and extended attributes of another."""
        now = os.fstat(fd)
        if (now.st_uid, now.st_gid) != (held.uid, held.gid):
            self.call(os.fchown, fd, held.uid, held.gid)
        self.call(os.fchmod, fd, held.mode)
        has = dict(_xattrs(fd))
        for name, value in held.xattrs:
            if has.get(name) != value:
                self.call(os.setxattr, fd, name, value)

    def exists(self, folder: int, name: str) -> bool:
        """Tell whether a folder has that name, whatever it names."""
        try:
            os.lstat(name, dir_fd=folder)
        except FileNotFoundError:
            return False
        return True

    def held(self, folder: int, name: str, path: str) -> Held | None:
        """Return a regular file of a folder whole, None if there is none.

        Raises `StepFailed`, which names ``path``, for a link, a device or a folder.
        """
        try:
            found = os.lstat(name, dir_fd=folder)
        except FileNotFoundError:
            return None
        if not modes.S_ISREG(found.st_mode):
            said = NOT_REGULAR.get(modes.S_IFMT(found.st_mode), DEVICE)
            raise StepFailed(said.filled(path=path))
        fd = self.call(os.open, name, READ, dir_fd=folder)
        try:
            same = os.fstat(fd)
            if not modes.S_ISREG(same.st_mode):
                raise StepFailed(REPLACED.filled(path=path))
            data = b"".join(self._chunks(fd))
            mode = modes.S_IMODE(same.st_mode)
            return Held(data, mode, same.st_uid, same.st_gid, tuple(_xattrs(fd)))
        finally:
            os.close(fd)

    def digest(self, folder: int, name: str) -> str:
        """Return the SHA-256 of a file of a folder, however large it is."""
        from hashlib import sha256

        fd = self.call(os.open, name, READ, dir_fd=folder)
        try:
            made = sha256()
            for chunk in self._chunks(fd):
                made.update(chunk)
            return made.hexdigest()
        finally:
            os.close(fd)

    def _chunks(self, fd: int) -> Iterator[bytes]:
        while chunk := self.call(os.read, fd, CHUNK):
            yield chunk


def _xattrs(fd: int) -> Iterator[tuple[str, bytes]]:
    try:
        names = os.listxattr(fd)
    except OSError as error:
        if error.errno in (errno.ENOTSUP, errno.ENOSYS):
            return
        raise
    for name in sorted(names):
        if name not in NOT_COPIED:
            yield name, os.getxattr(fd, name)
