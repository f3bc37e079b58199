"""A loader's file that one of its programs wrote anew, with the same words.

kernel-install writes systemd-boot's entry from ``/etc/kernel/cmdline`` whenever an
image is made (Debian's ``/etc/initramfs/post-update.d/systemd-boot``), its words in an
order of its own. The bytes differ from those of the plan then, and nothing else does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.base import CannotFix, MissingFact
from vfio_doctor.model import FileStep

if TYPE_CHECKING:
    from vfio_doctor.boot.backend import ArgumentEdit
    from vfio_doctor.repair.target import Machine
    from vfio_doctor.repair.values import PlannedStep


def same_words(one: bytes | None, other: bytes | None) -> bool:
    """Tell whether two files hold the same words, in whatever order."""
    if one is None or other is None:
        return one is other
    return sorted(one.split()) == sorted(other.split())


def is_as(known: bytes | None, data: bytes | None, planned: PlannedStep) -> bool:
    """Tell whether a file is as it is ``known`` from its step, before or after.

    The order of the words does not count in a loader's file, unless it is all that
    the step changes.
    """
    step = planned.step
    if data == known:
        return True
    if not planned.arguments or not isinstance(step, FileStep):
        return False
    if data in (step.before, step.after) or same_words(step.before, step.after):
        return False
    return same_words(data, known)


def as_it_is(
    step: FileStep, now: bytes | None, machine: Machine, edit: ArgumentEdit
) -> FileStep | None:
    """Return the edit of the file at ``step.path`` as it is ``now``.

    None if the file is none of the boot tool's, or has become another meanwhile.
    """
    if machine.backend is None:
        return None
    try:
        steps = machine.backend.steps(machine.host, edit)
    except (CannotFix, MissingFact):
        return None
    files = (each for each in steps if isinstance(each, FileStep))
    anew = (each for each in files if (each.path, each.before) == (step.path, now))
    return next(anew, None)
