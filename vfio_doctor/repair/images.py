"""Bring what fixes want of the initramfs images together: they are made once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.boot.images.selection import maker
from vfio_doctor.facts.base import CannotFix
from vfio_doctor.model import FileStep, RebuildImages
from vfio_doctor.repair.replaceable import why_not
from vfio_doctor.repair.values import PlannedStep

if TYPE_CHECKING:
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.repair.values import PlannedFix

Steps = tuple[PlannedStep, ...]


def wishers(fixes: tuple[PlannedFix, ...]) -> tuple[str, ...]:
    """Return the fixes (ids) that want the images to be made anew."""
    wish = RebuildImages
    return tuple(f.id for f in fixes if any(isinstance(c, wish) for c in f.changes))


def image_steps(fixes: tuple[PlannedFix, ...], host: Reader) -> tuple[Steps, Steps]:
    """Return the steps before the files, and those behind them.

    Raises `CannotFix` if the images cannot be made, or not be read back.
    """
    wishes = [c for f in fixes for c in f.changes if isinstance(c, RebuildImages)]
    if not wishes:
        return (), ()
    whole = RebuildImages(
        tuple(dict.fromkeys(m for wish in wishes for m in wish.modules)),
        tuple(dict.fromkeys(path for wish in wishes for path in wish.files)),
    )
    ids = wishers(fixes)
    before, after = maker(host).steps(host, whole)
    for step in before:
        why = isinstance(step, FileStep) and why_not(host, step.path)
        if why:
            raise CannotFix(why)
    return (
        tuple(PlannedStep(step, ids) for step in before),
        tuple(PlannedStep(step, ids) for step in after),
    )
