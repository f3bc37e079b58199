"""A file that appears whole or not at all, with the rights of whom it is for.

Root that writes for a person writes with that person's rights, into a folder that
it holds open, and follows nothing there: a name that is looked at first and opened
later may have become a link to a file of root's.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from vfio_doctor.app.failure import Failure
from vfio_doctor.host import rights
from vfio_doctor.messages import say

if TYPE_CHECKING:
    from collections.abc import Iterator

NOT_WRITTEN = say("output-not-written", "{path}: cannot write: {why}")
# What is open already, whoever owns it: a shell's ``>(command)`` among them.
DESCRIPTOR = r"/(?:dev|proc/self)/fd/([0-9]{1,4})"
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
DEVICE = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
# File systems without hard links: vfat, some network shares.
NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


class NewFile:
    """One file to be: made at once under a hidden name, named when it is whole."""

    def __init__(self, path: str, replace: bool, mode: int = 0o666) -> None:
        """Open the folder and make the file; OSError where that cannot be done.

        Unless it may ``replace``, a name that is taken is an error.
        """
        folder, self._name = os.path.split(path)
        self._replace, self._mode = replace, mode
        self._whose = _whose(folder)
        with _acting(self._whose):
            self._folder = os.open(folder or ".", FOLDER)
            try:
                self._refuse_taken()
                self._scratch = f".vfio-doctor-{os.urandom(8).hex()}.tmp"
                self._file = self._made(self._scratch)
            except BaseException:
                os.close(self._folder)
                raise

    def finish(self, data: bytes) -> None:
        """Write the content and give the file its name; OSError leaves nothing."""
        with _acting(self._whose):
            try:
                _fill(self._file, data)
                self._named(data)
            finally:
                self.discard()

    def discard(self) -> None:
        """Leave nothing behind; does nothing after `finish`."""
        if self._folder < 0:
            return
        with _acting(self._whose), suppress(FileNotFoundError):
            os.unlink(self._scratch, dir_fd=self._folder)
        os.close(self._file)
        os.close(self._folder)
        self._folder = -1

    def _refuse_taken(self) -> None:
        try:
            kind = os.lstat(self._name, dir_fd=self._folder).st_mode
        except FileNotFoundError:
            return
        if stat.S_ISDIR(kind):
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        if not self._replace:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        if not stat.S_ISREG(kind) and not stat.S_ISLNK(kind):
            raise OSError(errno.EINVAL, "it is not a regular file")

    def _made(self, name: str) -> int:
        return os.open(name, CREATE, self._mode, dir_fd=self._folder)

    def _named(self, data: bytes) -> None:
        held = {"src_dir_fd": self._folder, "dst_dir_fd": self._folder}
        if self._replace:
            os.rename(self._scratch, self._name, **held)
            return
        try:
            os.link(self._scratch, self._name, **held, follow_symlinks=False)
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            self._made_in_place(data)

    def _made_in_place(self, data: bytes) -> None:
        number = self._made(self._name)
        try:
            _fill(number, data)
        except BaseException:
            os.unlink(self._name, dir_fd=self._folder)
            raise
        finally:
            os.close(number)


def write_device(path: str, data: bytes) -> bool:
    """Write to a character device, and tell whether ``path`` is one.

    It is opened with the rights of whom the output is for; links are followed.
    """
    with _acting(_whose(os.path.dirname(path))):
        try:
            kind = os.stat(path).st_mode
        except FileNotFoundError:
            return False
        if stat.S_ISREG(kind) or stat.S_ISDIR(kind):
            return False
        if not stat.S_ISCHR(kind):
            # A pipe could wait for its reader for ever.
            raise OSError(errno.EINVAL, "it is not a regular file")
        number = os.open(path, DEVICE)
    try:
        if stat.S_ISCHR(os.fstat(number).st_mode):
            os.set_blocking(number, True)
            _write(number, data)
    finally:
        os.close(number)
    return True


def _fill(number: int, data: bytes) -> None:
    _write(number, data)
    os.fsync(number)


def _write(number: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(number, left) :]


def _whose(folder: str) -> tuple[int, int] | None:
    """Return whose rights to write with, None for our own.

    Root that nobody called writes with those of who can bend the way there.
    """
    if os.geteuid() != 0:
        return None
    called = rights.caller()
    if called:
        return called
    from vfio_doctor.host.ways import Ways

    writer = Ways("").writer(os.path.join(os.getcwd(), folder), follow=True)
    return (writer, rights.primary_group(writer)) if writer else None


@contextmanager
def _acting(whose: tuple[int, int] | None) -> Iterator[None]:
    if whose is None or os.geteuid() != 0:
        yield
        return
    with rights.acting_as(*whose):
        yield


class Output:
    """The file that ``-o`` names, open before anything is done for it.

    A new file takes the old one's place; a symbolic link is replaced, never
    followed. A device (``/dev/null``) is written to.
    """

    def __init__(self, path: str, mode: int = 0o666) -> None:
        """Make room for the file; raises Failure with status 2."""
        self.path = path
        self._file: NewFile | None = None
        try:
            if not re.fullmatch(DESCRIPTOR, path) and not write_device(path, b""):
                self._file = NewFile(path, True, mode)
        except (OSError, ValueError) as error:
            raise _unwritable(path, error) from error

    def write(self, text: str) -> None:
        """Write all of it, or nothing; raises Failure with status 2."""
        data = text.encode("utf-8", "surrogateescape")
        try:
            if self._file is not None:
                self._file.finish(data)
            elif held := re.fullmatch(DESCRIPTOR, self.path):
                with open(os.dup(int(held[1])), "wb") as stream:
                    stream.write(data)
            else:
                write_device(self.path, data)
        except OSError as error:
            raise _unwritable(self.path, error) from error

    def discard(self) -> None:
        """Leave nothing behind of a file that was not written."""
        if self._file is not None:
            self._file.discard()


def _unwritable(path: str, error: OSError | ValueError) -> Failure:
    said = error.strerror if isinstance(error, OSError) else error
    return Failure(NOT_WRITTEN.filled(path=path, why=str(said)), 2)
