"""Captures on disk: a folder, a tar.gz of it, or a text (docs/capture-format.md)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from vfio_doctor.host import archive, host_file, refusals
from vfio_doctor.host.capture_decode import check_json, decode
from vfio_doctor.host.capture_encode import members
from vfio_doctor.host.members import CaptureError
from vfio_doctor.host.rights import as_caller

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import BinaryIO

    from vfio_doctor.host.captured import Capture

__all__ = [
    "CaptureError",
    "as_text",
    "decode",
    "load",
    "members",
    "pack",
    "save",
    "save_archive",
    "save_text",
]


def load(source: str | os.PathLike[str] | BinaryIO, name: str = "") -> Capture:
    """Return the capture in a folder, a tar.gz, a text, or a stream of one of these.

    ``-`` is standard input. ``name`` is what the capture calls itself in reports;
    without it that is the path. Raises `CaptureError` naming the file, the reason
    and the cure.
    """
    if source == "-":
        import sys

        source, name = sys.stdin.buffer, name or "standard input"
    if isinstance(source, str | os.PathLike):
        path = os.fspath(source)
        with as_caller():
            held = archive.read(path)
        return decode(name or path, held)
    name = name or "the stream"
    return decode(name, archive.read_stream(name, source))


def save(capture: Capture, folder: str | os.PathLike[str]) -> None:
    """Write a capture as a new folder.

    Raises `CaptureError` where the folder is there and not empty, where it cannot
    be written, and where `load` would not read the capture again.
    """
    held = _checked(capture)
    name = os.fspath(folder)
    try:
        with as_caller():
            _save(held, name)
    except OSError as error:
        raise _elsewhere(name, error) from error


def _save(held: Mapping[str, bytes], name: str) -> None:
    os.makedirs(name, exist_ok=True)
    if os.listdir(name):
        raise CaptureError(refusals.NOT_EMPTY.filled(name=name))
    for member, data in held.items():
        path = os.path.join(name, member)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "xb") as file:
            file.write(data)


def _elsewhere(name: str, error: OSError) -> CaptureError:
    why = error.strerror or str(error)
    return CaptureError(refusals.ANOTHER_PLACE.filled(name=name, why=why))


def save_archive(
    capture: Capture,
    file: BinaryIO,
    folder: str = "",
    extras: Mapping[str, bytes] | None = None,
) -> None:
    """Write a capture as a tar.gz; equal captures give equal bytes.

    ``folder`` is put around everything; ``extras`` go beside the capture's own
    members and mean nothing to `load`. Raises `CaptureError` as `save` does.
    """
    held = {**(extras or {}), **_checked(capture)}
    top = f"{folder}/" if folder else ""
    pack({f"{top}{name}": data for name, data in held.items()}, file)


def save_text(capture: Capture, path: str | os.PathLike[str]) -> None:
    """Write a capture as a new text file, ``NAME.host``.

    Raises `CaptureError` as `save` does, and if the file is there.
    """
    text = as_text(capture)
    try:
        with as_caller(), open(path, "xb") as file:
            file.write(text)
    except OSError as error:
        name = os.fspath(path)
        raise _elsewhere(name, error) from error


def as_text(capture: Capture) -> bytes:
    """Return a capture as a text; equal captures give equal bytes.

    Raises `CaptureError` if `load` would not read it again.
    """
    return host_file.spelt(capture.name, _checked(capture))


def pack(held: Mapping[str, bytes], file: BinaryIO) -> None:
    """Write members as a tar.gz; equal members give equal bytes."""
    import gzip
    import io
    import tarfile

    with (
        gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=0) as plain,
        tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name in sorted(held):
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(held[name]), 0o644
            tar.addfile(info, io.BytesIO(held[name]))


def _checked(capture: Capture) -> dict[str, bytes]:
    """Return the members, held against the limits that `load` sets."""
    held = members(capture)
    archive.check(capture.name, held)
    check_json(capture.name, held)
    return held
