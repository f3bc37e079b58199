"""The machine the doctor runs on, or a tree that looks like one."""

from __future__ import annotations

import errno
import os
import stat as modes
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from vfio_doctor.host import commands, details, probes, rights
from vfio_doctor.host.captured import NOT_A_FOLDER, glob_by_listing
from vfio_doctor.host.probes import why
from vfio_doctor.host.reader import (
    Caller,
    CommandResult,
    Kind,
    Missing,
    ProbeResult,
    Stat,
    UdevDevice,
    Why,
)
from vfio_doctor.host.ways import LINKS_AT_MOST, Ways
from vfio_doctor.parse.whole_number import ID_DIGITS, whole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.host.reader import AclEntry

READ_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
CHUNK = 1 << 16
NAMES_AT_MOST = 100_000
READ_SECONDS = 5.0
KINDS = {
    modes.S_IFREG: Kind.FILE,
    modes.S_IFDIR: Kind.DIRECTORY,
    modes.S_IFLNK: Kind.LINK,
    modes.S_IFCHR: Kind.CHAR,
    modes.S_IFBLK: Kind.BLOCK,
    modes.S_IFIFO: Kind.FIFO,
    modes.S_IFSOCK: Kind.SOCKET,
}


class LiveHost:
    """A `Reader` of the running system.

    With another root than ``/`` links stay inside that root, and neither
    commands nor probes nor udev are asked: they would answer for this machine.
    """

    def __init__(self, root: str = "/") -> None:
        """Take the root folder; read nothing yet."""
        self.root = root.rstrip("/")
        self._ways = Ways(self.root) if os.geteuid() == 0 else None
        self._users: dict[int, str] = {}
        self._groups: dict[int, str] = {}

    @property
    def name(self) -> str:
        """Return ``this host`` or the root folder."""
        return self.root or "this host"

    def caller(self) -> Caller:
        """Return the real uid, and those that sudo and pkexec left."""
        return Caller(os.getuid(), _uid("SUDO_UID"), _uid("PKEXEC_UID"))

    def read_bytes(self, path: str, limit: int = 1 << 20) -> bytes | Missing:
        """Return the content of a regular file."""
        try:
            with self._way(path) as real:
                # Looked at before it is opened: opening some devices does something.
                if not modes.S_ISREG(os.stat(real).st_mode):
                    return Missing(path, Why.FAILED, details.NOT_REGULAR)
                fd = os.open(real, READ_FLAGS)
        except (OSError, ValueError) as error:
            return _missing(path, error)
        try:
            if not modes.S_ISREG(os.fstat(fd).st_mode):
                return Missing(path, Why.FAILED, details.NOT_REGULAR)
            return _read(fd, path, limit)
        except OSError as error:
            return _missing(path, error)
        finally:
            os.close(fd)

    def lstat(self, path: str) -> Stat | Missing:
        """Return what a path is, without following a final link."""
        try:
            with self._way(path, follow=False) as real:
                found = os.lstat(real)
                kind = KINDS[modes.S_IFMT(found.st_mode)]
                target = os.readlink(real) if kind is Kind.LINK else ""
                acl = () if kind is Kind.LINK else _acl(real)
                label = _label(real)
        except (OSError, ValueError) as error:
            return _missing(path, error)
        return Stat(
            kind,
            modes.S_IMODE(found.st_mode),
            found.st_uid,
            found.st_gid,
            self._user(found.st_uid),
            self._group(found.st_gid),
            (os.major(found.st_rdev), os.minor(found.st_rdev)),
            found.st_size if kind is Kind.FILE else 0,
            int(found.st_mtime),
            target,
            label,
            acl,
        )

    def list(self, path: str) -> tuple[str, ...] | Missing:
        """Return the sorted names in a folder."""
        try:
            with self._way(path) as real:
                names = os.listdir(real)
        except NotADirectoryError as error:
            # Below a file there is nothing; a file itself is no folder.
            if not isinstance(self.lstat(path), Missing):
                return Missing(path, Why.FAILED, NOT_A_FOLDER)
            return _missing(path, error)
        except (OSError, ValueError) as error:
            return _missing(path, error)
        if len(names) > NAMES_AT_MOST:
            return Missing(
                path, Why.FAILED, details.TOO_MANY.filled(count=NAMES_AT_MOST)
            )
        return tuple(sorted(names))

    def readlink(self, path: str) -> str | Missing:
        """Return the text of a symbolic link."""
        try:
            with self._way(path, follow=False) as real:
                return os.readlink(real)
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno == errno.EINVAL:
                return Missing(path, Why.FAILED, details.NOT_A_LINK)
            return _missing(path, error)

    def glob(self, pattern: str) -> tuple[str, ...] | Missing:
        """Return the sorted paths that match."""
        return glob_by_listing(pattern, self.list)

    def run(self, argv: tuple[str, ...]) -> CommandResult | Missing:
        """Run a listed command."""
        seconds = commands.time_limit(argv)
        if seconds is None:
            return Missing(" ".join(argv), Why.FAILED, details.ODD_WORD)
        if self.root:
            return Missing(" ".join(argv), Why.NOT_CAPTURED, details.NOT_HERE)
        path = commands.find(argv[0], _is_program)
        if path is None:
            return Missing(" ".join(argv), Why.ABSENT, details.NOT_INSTALLED)
        from vfio_doctor.host.running import run

        return run(path, argv, seconds)

    def udev_devices(self, subsystem: str) -> tuple[UdevDevice, ...] | Missing:
        """Return the devices of a subsystem."""
        if self.root:
            source = f"udev subsystem {subsystem}"
            return Missing(source, Why.NOT_CAPTURED, details.NOT_HERE)
        from vfio_doctor.host import udev

        return udev.devices(subsystem)

    def probe(self, name: str, path: str) -> ProbeResult | Missing:
        """Run a functional probe."""
        if name == probes.FILE:
            try:
                with self._way(path, follow=False) as real:
                    return probes.probe_file(real, path)
            except (OSError, ValueError) as error:
                return _missing(path, error)
        if self.root:
            source = f"probe {name} of {path}"
            return Missing(source, Why.NOT_CAPTURED, details.NOT_HERE)
        return probes.probe(name, path)

    @contextmanager
    def _way(self, path: str, follow: bool = True) -> Iterator[str]:
        """Give the path to open; as root, with the rights that fit the way to it."""
        if not path.startswith("/"):
            raise ValueError("not an absolute path")
        if "\0" in path:
            # Said here: what each call of os says differs by Python version.
            raise ValueError("embedded null byte")
        writer = self._ways.writer(path, follow) if self._ways else 0
        if not writer:
            yield self._resolved(path, follow)
            return
        with rights.acting_as(writer, rights.primary_group(writer)):
            yield self._resolved(path, follow)

    def _resolved(self, path: str, follow: bool = True) -> str:
        """Return the real path; inside another root links are walked by hand."""
        return path if not self.root else self._walk(path, follow)

    def _walk(self, path: str, follow: bool) -> str:
        left = [part for part in path.split("/") if part]
        done: list[str] = []
        links = 0
        while left:
            part = left.pop(0)
            if part in (".", ".."):
                del done[len(done) - (part == "..") :]
                continue
            here = "/".join((self.root, *done, part))
            if (left or follow) and os.path.islink(here):
                links += 1
                if links > LINKS_AT_MOST:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
                target = os.readlink(here)
                done = [] if target.startswith("/") else done
                left = [p for p in target.split("/") if p] + left
                continue
            done.append(part)
        return "/".join((self.root, *done))

    def _user(self, uid: int) -> str:
        if uid not in self._users:
            self._users[uid] = _name_of(uid, "pwd", self._account_file("passwd"))
        return self._users[uid]

    def _group(self, gid: int) -> str:
        if gid not in self._groups:
            self._groups[gid] = _name_of(gid, "grp", self._account_file("group"))
        return self._groups[gid]

    def _account_file(self, name: str) -> str | None:
        if not self.root:
            return None
        data = self.read_bytes(f"/etc/{name}")
        return "" if isinstance(data, Missing) else data.decode("utf-8", "replace")


def _name_of(number: int, module: str, text: str | None) -> str:
    """Return an account's name: of NSS, or of a root's own account file."""
    if text is not None:
        rows = (line.split(":") for line in text.splitlines())
        fits = (r[0] for r in rows if len(r) > 2 and r[2] == str(number))
        return next(fits, "")
    try:
        if module == "pwd":
            import pwd

            return pwd.getpwuid(number).pw_name
        import grp

        return grp.getgrgid(number).gr_name
    except (KeyError, OSError, OverflowError):
        return ""


def _read(fd: int, path: str, limit: int) -> bytes | Missing:
    """Read to the end: files of procfs and sysfs do not know their size."""
    parts: list[bytes] = []
    left = limit + 1
    end = time.monotonic() + READ_SECONDS
    while left > 0:
        part = os.read(fd, min(CHUNK, left))
        if not part:
            return b"".join(parts)
        parts.append(part)
        left -= len(part)
        if time.monotonic() > end:
            return Missing(
                path,
                Why.TIMED_OUT,
                details.NOT_READ.filled(seconds=f"{READ_SECONDS:g}"),
            )
    return Missing(path, Why.FAILED, details.TOO_LARGE.filled(count=limit))


def _missing(path: str, error: OSError | ValueError) -> Missing:
    """Return why there is no value; a ValueError means that this is no path."""
    if isinstance(error, OSError):
        return Missing(path, why(error), error.strerror or str(error))
    return Missing(path, Why.FAILED, str(error))


def _uid(variable: str) -> int:
    uid = whole(os.environ.get(variable, ""), ID_DIGITS)
    return -1 if uid is None else uid


def _is_program(path: str) -> bool:
    return os.path.isfile(path) and os.access(path, os.X_OK)


def _attribute(path: str, name: str) -> bytes:
    """Return an extended attribute, b"" where there is none; raise OSError."""
    try:
        return os.getxattr(path, name, follow_symlinks=False)
    except OSError as error:
        if error.errno in (errno.ENODATA, errno.ENOTSUP):
            return b""
        raise


def _label(path: str) -> str:
    try:
        label = _attribute(path, "security.selinux")
    except OSError:
        return ""
    return label.rstrip(b"\0").decode("ascii", "replace")


def _acl(path: str) -> tuple[AclEntry, ...]:
    """Return the access ACL; raise OSError where it cannot be told.

    Taken for "no ACL" an unread one would give a wrong verdict on who may open.
    """
    data = _attribute(path, "system.posix_acl_access")
    if not data:
        return ()
    from vfio_doctor.host.acl import decode

    return decode(data)
