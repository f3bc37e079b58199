"""Functional probes: ask a device itself. Each is harmless and quickly over."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from vfio_doctor.host import details
from vfio_doctor.host.reader import Missing, ProbeResult, Why

if TYPE_CHECKING:
    from collections.abc import Callable

# Linux uapi/linux/kvm.h: _IO(0xAE, 0x00) and _IO(0xAE, 0x01).
KVM_GET_API_VERSION = 0xAE00
KVM_CREATE_VM = 0xAE01
# Looking Glass module/kvmfr.h: _IO('u', 0x44).
KVMFR_DMABUF_GETSIZE = 0x7544
# Linux uapi/linux/fs.h: _IOR('f', 1, long), FS_IMMUTABLE_FL and FS_APPEND_FL.
FS_IOC_GETFLAGS = 0x80086601
IMMUTABLE, APPEND_ONLY = 0x10, 0x20
MOUNTS = "/proc/self/mountinfo"
# The probe of a file or folder that is to be replaced or written into.
FILE = "file"
FLAGS = os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def probe(name: str, path: str) -> ProbeResult | Missing:
    """Run the probe ``kvm`` or ``kvmfr-size`` on a device node.

    Where the node is not there, is no character device or may not be opened by
    this account, that is `Missing`; where its driver refuses to open or to answer,
    the result says which step failed.
    """
    ask = {"kvm": _ask_kvm, "kvmfr-size": _ask_kvmfr}[name]
    mode = os.O_RDWR if name == "kvm" else os.O_RDONLY
    source = f"probe {name} of {path}"
    no_device = Missing(source, Why.FAILED, details.NO_DEVICE)
    try:
        # Looked at before it is opened: a FIFO or another device is left alone.
        if not stat.S_ISCHR(os.stat(path).st_mode):
            return no_device
        fd = os.open(path, mode | FLAGS)
    except ValueError as error:
        return Missing(source, Why.FAILED, str(error))
    except OSError as error:
        if why(error) is Why.FAILED or error.errno == errno.ENODEV:
            # The node is there and its driver refuses: that is an answer.
            return ProbeResult(name, (f"tried to open {path}",), (), _errno(error))
        return Missing(source, why(error), error.strerror or "")
    try:
        if not stat.S_ISCHR(os.fstat(fd).st_mode):
            return no_device
        return ask(fd, path)
    finally:
        os.close(fd)


def probe_file(real: str, path: str) -> ProbeResult:
    """Ask what keeps a file from being replaced, or a folder from being written.

    Raises OSError where it may not be opened. ``real`` is where ``path`` lies on
    this machine.
    """
    fd = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | FLAGS)
    try:
        flags = _flags(fd)
        found = os.fstat(fd)
        values = (
            ("immutable", int(bool(flags & IMMUTABLE))),
            ("append_only", int(bool(flags & APPEND_ONLY))),
            ("read_only", int(bool(os.fstatvfs(fd).f_flag & os.ST_RDONLY))),
            ("mounted", int(_is_mount_point(real))),
            ("links", found.st_nlink if stat.S_ISREG(found.st_mode) else 1),
        )
    finally:
        os.close(fd)
    return ProbeResult(FILE, (f"looked at the attributes of {path}",), values)


def _flags(fd: int) -> int:
    import fcntl

    try:
        answer = fcntl.ioctl(fd, FS_IOC_GETFLAGS, bytes(8))
    except OSError:
        # This file system has no such attributes.
        return 0
    return int.from_bytes(answer, "little")


def _is_mount_point(real: str) -> bool:
    try:
        with open(MOUNTS, encoding="utf-8", errors="surrogateescape") as lines:
            points = [line.split(" ")[4] for line in lines if line.count(" ") > 4]
    except OSError:
        return False
    spelt = real.replace("\\", "\\134").replace(" ", "\\040").replace("\t", "\\011")
    return spelt in points


def why(error: OSError) -> Why:
    """Return what an error of the operating system means for a reading."""
    if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENODEV, errno.ESRCH):
        return Why.ABSENT
    if error.errno in (errno.EACCES, errno.EPERM):
        return Why.DENIED
    if error.errno == errno.ETIMEDOUT:
        return Why.TIMED_OUT
    return Why.FAILED


def _errno(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, str(error.errno))


def _ask_kvm(fd: int, path: str) -> ProbeResult:
    import fcntl

    def version() -> int:
        return fcntl.ioctl(fd, KVM_GET_API_VERSION)

    def create() -> int:
        os.close(fcntl.ioctl(fd, KVM_CREATE_VM))
        return 1

    steps = (
        ("asked its API version", "api_version", version),
        ("created a virtual machine and closed it", "create_vm", create),
    )
    return _walk("kvm", path, steps)


def _ask_kvmfr(fd: int, path: str) -> ProbeResult:
    import fcntl

    def size() -> int:
        return fcntl.ioctl(fd, KVMFR_DMABUF_GETSIZE)

    return _walk("kvmfr-size", path, (("asked its size", "size", size),))


def _walk(
    name: str, path: str, steps: tuple[tuple[str, str, Callable[[], int]], ...]
) -> ProbeResult:
    did, values = [f"opened {path}"], []
    for said, value, ask in steps:
        did.append(said)
        try:
            values.append((value, ask()))
        except OSError as error:
            return ProbeResult(name, tuple(did), tuple(values), _errno(error))
    return ProbeResult(name, tuple(did), tuple(values))
