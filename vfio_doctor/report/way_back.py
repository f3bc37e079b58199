"""How to take a plan back, and how to get back if the next boot fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.boot.selection import named
from vfio_doctor.boot.words import added, removed
from vfio_doctor.messages import say
from vfio_doctor.model import NodeStep, RebuildImages
from vfio_doctor.report.untrusted import clean

if TYPE_CHECKING:
    from vfio_doctor.boot.backend import ArgumentEdit
    from vfio_doctor.model import Message, Step
    from vfio_doctor.repair.values import Plan

UNDO = "sudo vfio-doctor undo"
TAKE_BACK = say("plan-undo", "To take all of it back: `sudo vfio-doctor undo`")
TAKE_REST_BACK = say(
    "plan-undo-rest",
    "To take back all but what cannot be undone: `sudo vfio-doctor undo`",
)


def take_back(steps: list[Step]) -> Message | None:
    """Return how to take a run back; None if nothing of it can be."""
    lost = [isinstance(step, NodeStep) for step in steps]
    if all(lost):
        return None
    return TAKE_REST_BACK if any(lost) else TAKE_BACK


def way_back(plan: Plan) -> list[str]:
    """Return the two commands to get back if the next boot fails."""
    if plan.arguments is None:
        undone = take_back([planned.step for planned in plan.steps])
        return [str(undone)] if undone else []
    back = named(plan.tool).rollback
    first = say(
        "way-back-entry",
        "In the boot menu choose the entry before the newest, then run:",
    )
    return [
        str(say("way-back", "If the next boot fails:")),
        f"  {clean(first if back else _edited_back(plan.arguments))}",
        f"    {f'sudo {back}' if back else UNDO}",
        "    sudo reboot",
        *_from_live_medium(plan),
    ]


def _from_live_medium(plan: Plan) -> list[str]:
    """Return how to get back if not even the boot menu helps."""
    if named(plan.tool).rollback:
        # The deployment before this one has its own initramfs.
        return []
    if not any(isinstance(c, RebuildImages) for f in plan.fixes for c in f.changes):
        return []
    mounted = say(
        "way-back-live",
        "If no entry starts: boot a live medium, mount this system at /mnt, with its"
        " /boot, then run:",
    )
    bind = "for d in dev proc sys run; do mount --rbind /$d /mnt/$d; done"
    return [
        f"  {mounted}",
        f"    sudo sh -c '{bind}'",
        "    sudo chroot /mnt vfio-doctor undo",
    ]


def _edited_back(edit: ArgumentEdit) -> Message:
    """Return what to do by hand to the next boot's words, as they were before."""
    new, gone = " ".join(added(edit)), " ".join(removed(edit))
    if new and gone:
        return say(
            "way-back-both",
            "In the boot menu press e, remove {new} and put {gone} back, start it, "
            "then run:",
            new=new,
            gone=gone,
        )
    if gone:
        return say(
            "way-back-put-back",
            "In the boot menu press e, put {gone} back, start it, then run:",
            gone=gone,
        )
    return say(
        "way-back-remove",
        "In the boot menu press e, remove {new}, start it, then run:",
        new=new,
    )
