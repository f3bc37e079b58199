"""What can be asked of a host, and the shapes of the answers.

Every answer is a value or a `Missing`: never ``""`` or ``None`` for an error.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from vfio_doctor.host import details
from vfio_doctor.messages import say
from vfio_doctor.value import NamedTuple, Protocol

if TYPE_CHECKING:
    from typing import TypeVar

    from vfio_doctor.model import Message

    T = TypeVar("T")


class Why(Enum):
    """Why a reading has no value."""

    ABSENT = "absent"
    DENIED = "denied"
    NOT_CAPTURED = "not captured"
    TIMED_OUT = "timed out"
    FAILED = "failed"


# With these there may be a value that could not be seen.
MAY_HIDE = (Why.DENIED, Why.TIMED_OUT, Why.FAILED)


_PLAIN = {
    Why.ABSENT: say("absent", "{source}: absent"),
    Why.DENIED: say("denied", "{source}: denied"),
    Why.NOT_CAPTURED: say("not-captured", "{source}: not captured"),
    Why.TIMED_OUT: say("timed-out", "{source}: timed out"),
    Why.FAILED: say("failed", "{source}: failed"),
}
_DETAILED = {
    Why.ABSENT: say("absent-detail", "{source}: absent ({detail})"),
    Why.DENIED: say("denied-detail", "{source}: denied ({detail})"),
    Why.NOT_CAPTURED: say("not-captured-detail", "{source}: not captured ({detail})"),
    Why.TIMED_OUT: say("timed-out-detail", "{source}: timed out ({detail})"),
    Why.FAILED: say("failed-detail", "{source}: failed ({detail})"),
}


class Missing(NamedTuple):
    """A reading without a value: what was asked, why there is none.

    ``detail`` is a tool's or the system's own words, or what a fact says of it.
    """

    source: str
    why: Why
    detail: str | Message = ""

    def __str__(self) -> str:
        """Return one line for reports: ``/dev/kvm: denied (needs root)``."""
        return str(self.message)

    @property
    def hidden(self) -> bool:
        """Tell whether there may be a value that could not be seen."""
        return self.why in MAY_HIDE and self.detail not in details.SETTLED

    @property
    def message(self) -> Message:
        """Return what was asked, why it has no value, and the detail if any."""
        if not self.detail:
            return _PLAIN[self.why].filled(source=self.source)
        return _DETAILED[self.why].filled(source=self.source, detail=self.detail)


class Kind(Enum):
    """What a path names."""

    FILE = "file"
    DIRECTORY = "directory"
    LINK = "link"
    CHAR = "char device"
    BLOCK = "block device"
    FIFO = "fifo"
    SOCKET = "socket"


class AclEntry(NamedTuple):
    """One entry of a POSIX access ACL.

    ``tag`` is ``user_obj``, ``user``, ``group_obj``, ``group``, ``mask`` or
    ``other``; ``id`` is a uid or gid, -1 where the tag has none; ``perms`` are
    the three permission bits (4 read, 2 write, 1 execute).
    """

    tag: str
    id: int
    perms: int


class Stat(NamedTuple):
    """What ``lstat`` says of a path; ``rdev`` is (major, minor) of a device node.

    ``mtime`` is in whole seconds, ``target`` the text of a symbolic link,
    ``label`` the SELinux label or "", ``acl`` the access ACL or ().
    """

    kind: Kind
    mode: int
    uid: int
    gid: int
    user: str = ""
    group: str = ""
    rdev: tuple[int, int] = (0, 0)
    size: int = 0
    mtime: int = 0
    target: str = ""
    label: str = ""
    acl: tuple[AclEntry, ...] = ()


class CommandResult(NamedTuple):
    """A finished command: exit status and both outputs, decoded, apart."""

    argv: tuple[str, ...]
    status: int
    stdout: str
    stderr: str


class UdevDevice(NamedTuple):
    """One device of the udev database.

    ``tags`` are the current tags; ``from_database`` is false where libudev could
    not be loaded and only sysfs was read (then there are no tags).
    """

    sys_path: str
    subsystem: str
    sys_name: str
    device_node: str
    properties: tuple[tuple[str, str], ...] = ()
    tags: tuple[str, ...] = ()
    from_database: bool = True


class ProbeResult(NamedTuple):
    """What a functional probe did and what the kernel answered.

    ``did`` lists each step as a person would say it, ``values`` what was
    answered, ``error`` the errno name of the step that failed, or "".
    """

    name: str
    did: tuple[str, ...]
    values: tuple[tuple[str, int], ...] = ()
    error: str = ""

    def value(self, name: str) -> int | None:
        """Return the answer called ``name``, or None where there was none."""
        return dict(self.values).get(name)


class Caller(NamedTuple):
    """Who started the doctor: real uid, and what sudo or pkexec left behind.

    ``-1`` stands for "not set".
    """

    uid: int
    sudo_uid: int = -1
    pkexec_uid: int = -1


class Reader(Protocol):
    """The one door to a host. Paths are absolute, as the host sees them.

    Text and names from a host are untrusted. No method raises for what the
    host does; all return `Missing`.
    """

    @property
    def name(self) -> str:
        """Return what is being read, for reports: ``this host`` or a capture's path."""
        ...

    def caller(self) -> Caller:
        """Return who started the doctor on that host."""
        ...

    def read_bytes(self, path: str, limit: int = 1 << 20) -> bytes | Missing:
        """Return the content of a regular file, links followed.

        More than ``limit`` bytes, or anything but a regular file, is FAILED.
        """
        ...

    def lstat(self, path: str) -> Stat | Missing:
        """Return what the path itself is, without following a final link."""
        ...

    def list(self, path: str) -> tuple[str, ...] | Missing:
        """Return the sorted names in a folder."""
        ...

    def readlink(self, path: str) -> str | Missing:
        """Return the text of a symbolic link."""
        ...

    def glob(self, pattern: str) -> tuple[str, ...] | Missing:
        """Return the sorted paths that match; ``*``, ``?`` and ``[]`` in any part.

        A folder on the way that exists and cannot be listed is that `Missing`.
        """
        ...

    def run(self, argv: tuple[str, ...]) -> CommandResult | Missing:
        """Run one of the commands of `vfio_doctor.host.commands`, or answer why not."""
        ...

    def udev_devices(self, subsystem: str) -> tuple[UdevDevice, ...] | Missing:
        """Return the devices of one subsystem, sorted by path."""
        ...

    def probe(self, name: str, path: str) -> ProbeResult | Missing:
        """Run a functional probe (``kvm``, ``kvmfr-size``) on a device node."""
        ...


# Many times what a boot loader's configuration or a kernel's command line holds.
CONFIG_BYTES = 1 << 17


# Captures of older versions do not hold what is asked for since then. A claim, or a
# setting of a daemon, then stays unsaid; where a list has to be whole, it is unread.
UNSAID = (Why.ABSENT, Why.NOT_CAPTURED)


def text_or_noted(
    host: Reader,
    path: str,
    unread: list[Missing],
    unsaid: tuple[Why, ...] = (Why.ABSENT,),
) -> str:
    """Return a file's text, "" if it has none; note it if that may hide something."""
    text = read_text(host, path)
    if isinstance(text, str):
        return text
    if text.why not in unsaid:
        unread.append(text)
    return ""


def read_text(host: Reader, path: str, limit: int = 1 << 20) -> str | Missing:
    """Return a file as text; bytes that are not UTF-8 become U+FFFD."""
    data = host.read_bytes(path, limit)
    return data if isinstance(data, Missing) else data.decode("utf-8", "replace")
