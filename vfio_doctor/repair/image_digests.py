"""Whether initramfs images are, byte for byte, what they were before a run."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from vfio_doctor.messages import say
from vfio_doctor.repair.syscalls import StepFailed, reason
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vfio_doctor.repair.syscalls import Filesystem

ABSENT, UNKNOWN = GONE = "absent", ""
NOT_BACK = say(
    "images-not-back",
    "the files are as before, but {images} were made from the new ones, and could not"
    " be made anew: {why}",
)
NOT_BACK_ONE = say(
    "images-not-back-one",
    "the files are as before, but {image} was made from the new ones, and could not"
    " be made anew: {why}",
)


class ImageDigest(NamedTuple):
    """An image's path and SHA-256: "absent" if it was not there, "" if unknown."""

    path: str
    sha256: str


def digests(files: Filesystem, paths: Iterable[str]) -> tuple[ImageDigest, ...]:
    """Return what the images hold now."""
    return tuple(ImageDigest(path, _digest(files, path)) for path in paths)


def changed(
    files: Filesystem, paths: tuple[str, ...], before: tuple[ImageDigest, ...]
) -> tuple[str, ...]:
    """Return the images that are not, or cannot be seen to be, as they were."""
    known = {one.path: one.sha256 for one in before if one.sha256}
    now = digests(files, paths)
    return tuple(one.path for one in now if known.get(one.path) != one.sha256)


def remade(
    files: Filesystem, paths: tuple[str, ...], before: tuple[ImageDigest, ...]
) -> tuple[str, ...]:
    """Return the images that are there, and other ones than these."""
    there = {one.path for one in digests(files, paths) if one.sha256 not in GONE}
    return tuple(path for path in changed(files, paths, before) if path in there)


def not_back(images: tuple[str, ...], error: OSError | StepFailed) -> StepFailed:
    """Return that these images could not be made as they were, and why."""
    if len(images) == 1:
        said = NOT_BACK_ONE.filled(image=images[0], why=reason(error))
    else:
        said = NOT_BACK.filled(images=images, why=reason(error))
    return StepFailed(said)


def _digest(files: Filesystem, path: str) -> str:
    where, _, name = path.rpartition("/")
    try:
        folder = files.folder(where)
        try:
            return files.digest(folder, name)
        finally:
            os.close(folder)
    except FileNotFoundError:
        return ABSENT
    except (OSError, StepFailed):
        return UNKNOWN
