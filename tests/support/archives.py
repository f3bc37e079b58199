"""Make archives for tests, mostly hostile ones, byte by byte."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Iterable, Mapping

from vfio_doctor.host.capture_io import members
from vfio_doctor.host.captured import Capture
from vfio_doctor.host.reader import Caller

END = bytes(1024)


def small() -> dict[str, bytes]:
    """Return the members of a small honest capture."""
    capture = Capture.empty("small", Caller(0, 1000))
    capture.files["/proc/cmdline"] = b"quiet\n"
    return members(capture)


def entry(
    name: str,
    data: bytes = b"",
    kind: bytes = tarfile.REGTYPE,
    size: int | None = None,
    target: str = "",
) -> bytes:
    """Return one tar member; ``size`` is what its header claims."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    info.size = len(data) if size is None else size
    block = info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")
    return block + data + bytes(-len(data) % 512)


def tar(held: Mapping[str, bytes], more: Iterable[bytes] = ()) -> bytes:
    """Return an uncompressed archive of members and raw blocks behind them."""
    return b"".join([entry(n, d) for n, d in held.items()] + [*more]) + END


def packed(*more: bytes, held: Mapping[str, bytes] | None = None) -> bytes:
    """Return a tar.gz of a small capture with raw blocks behind its members."""
    return gzip.compress(tar(small() if held is None else held, more), 1, mtime=0)


def changed(member: str, data: bytes | str | None) -> bytes:
    """Return the small capture with one member replaced, or without it."""
    held = small()
    if data is None:
        del held[member]
    else:
        held[member] = data.encode() if isinstance(data, str) else data
    return packed(held=held)


def as_written_by(form: int, held: Mapping[str, bytes], top: str = "") -> bytes:
    """Return what Python's, and so GNU's or POSIX', tar makes of the members."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz", format=form) as archive:
        folder = tarfile.TarInfo(top or ".")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, data in held.items():
            info = tarfile.TarInfo(f"{top}/{name}" if top else f"./{name}")
            info.size, info.mtime, info.uname = len(data), 1.5, "ålice"
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()
