"""Put a whole file in place of another, and back: old or new, never between."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from vfio_doctor.messages import say
from vfio_doctor.repair.syscalls import Filesystem, Held, StepFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

MEDDLED = say("file-meddled-with", "{path} was changed by somebody else meanwhile")


def held(files: Filesystem, path: str) -> Held | None:
    """Return a file whole, None where it or its folder is not there.

    Raises `StepFailed` for anything but a regular file.
    """
    try:
        with _folder_of(files, path) as (folder, name):
            return files.held(folder, name, path)
    except FileNotFoundError:
        return None


def missing_folders(files: Filesystem, path: str) -> tuple[str, ...]:
    """Return the folders that ``path`` still needs, outermost first."""
    parts = os.path.dirname(path).strip("/").split("/")
    folders = ["/" + "/".join(parts[: n + 1]) for n in range(len(parts)) if parts[0]]
    for at, folder in enumerate(folders):
        try:
            os.close(files.folder(folder))
        except FileNotFoundError:
            return tuple(folders[at:])
    return ()


def make_folders(
    files: Filesystem, folders: tuple[str, ...], mode: int = 0o755
) -> None:
    """Make folders, outermost first; one that is there already is left alone."""
    for path in folders:
        with _folder_of(files, path) as (folder, name):
            try:
                files.mkdir(folder, name, mode)
            except FileExistsError:
                continue
            files.fsync(folder)


def remove_folders(files: Filesystem, folders: tuple[str, ...]) -> None:
    """Remove folders that we made, innermost first, as long as they are empty."""
    for path in reversed(folders):
        try:
            with _folder_of(files, path) as (folder, name):
                files.rmdir(folder, name)
                files.fsync(folder)
        except FileNotFoundError:
            continue
        except OSError:
            return


def put(
    files: Filesystem, path: str, new: Held | None, expected: bytes | None, run: str
) -> None:
    """Make ``path`` hold ``new`` (None: no such file) where it holds ``expected``.

    What was there keeps a second name until `tidy`, so that taking it back needs
    no room on the disk. Raises `StepFailed` where somebody else changed the file
    meanwhile, and OSError; in both cases the file is as it was, unless the last
    fsync of the folder failed.
    """
    with _folder_of(files, path) as (folder, name):
        scratch, backup = scratch_names(name, run)
        if new is not None:
            _write_scratch(files, folder, scratch, new)
        try:
            _refuse_change(files, folder, name, path, expected)
            if new is None:
                files.rename(folder, name, backup)
            else:
                _keep(files, folder, name, backup)
                files.rename(folder, scratch, name)
        except (OSError, StepFailed):
            _forget(files, folder, scratch)
            raise
        files.fsync(folder)


def put_back(
    files: Filesystem, path: str, old: Held | None, new: bytes | None, run: str
) -> None:
    """Make ``path`` hold what it held before `put` of the same run."""
    with _folder_of(files, path) as (folder, name):
        _, backup = scratch_names(name, run)
        there = files.exists(folder, backup)
        kept = files.held(folder, backup, path) if there else None
        if old is not None and kept == old:
            _refuse_change(files, folder, name, path, new)
            files.rename(folder, backup, name)
            files.fsync(folder)
            return
    put(files, path, old, new, run)


def tidy(files: Filesystem, path: str, run: str) -> None:
    """Take away our scratch files beside ``path``; what is not there is well."""
    try:
        with _folder_of(files, path) as (folder, name):
            for extra in scratch_names(name, run):
                if files.exists(folder, extra):
                    files.unlink(folder, extra)
    except FileNotFoundError:
        return


def scratch_names(name: str, run: str) -> tuple[str, str]:
    """Return the names of the file to come and of the file that was.

    No program that reads ``*.rules`` or ``*.conf`` takes them for its own.
    """
    return f".{name}.{run}.new", f".{name}.{run}.old"


@contextmanager
def _folder_of(files: Filesystem, path: str) -> Iterator[tuple[int, str]]:
    where, _, name = path.rpartition("/")
    folder = files.folder(where)
    try:
        yield folder, name
    finally:
        os.close(folder)


def _write_scratch(files: Filesystem, folder: int, scratch: str, new: Held) -> None:
    _forget(files, folder, scratch)
    fd = files.create(folder, scratch)
    try:
        try:
            files.write(fd, new.data)
            files.dress(fd, new)
            files.fsync(fd)
        finally:
            files.close(fd)
    except BaseException:
        _forget(files, folder, scratch)
        raise


def _forget(files: Filesystem, folder: int, scratch: str) -> None:
    if files.exists(folder, scratch):
        files.unlink(folder, scratch)


def _keep(files: Filesystem, folder: int, name: str, backup: str) -> None:
    """Keep the old file under a second name; FAT has none, then there is none."""
    try:
        _forget(files, folder, backup)
        files.link(folder, name, backup)
    except OSError:
        return


def _refuse_change(
    files: Filesystem, folder: int, name: str, path: str, expected: bytes | None
) -> None:
    now = files.held(folder, name, path)
    if (now.data if now is not None else None) != expected:
        raise StepFailed(MEDDLED.filled(path=path))
