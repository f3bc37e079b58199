"""Put lines of kernel arguments back as they were, byte for byte.

A back end that takes a word back puts it behind the others: where it stood, and which
blanks were around it, only the journal knows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.model import FileStep

if TYPE_CHECKING:
    from vfio_doctor.repair.set_ups import Known
    from vfio_doctor.repair.values import Plan, PlannedStep


def as_before(plan: Plan, known: Known) -> Plan:
    """Return the plan with files as they were, if it leaves the words of that time."""
    edit = plan.arguments
    if edit is None or sorted(edit.after) != sorted(known.words):
        return plan
    steps = (_restored(planned, known.edits) for planned in plan.steps)
    return plan._replace(steps=tuple(steps))


def _restored(planned: PlannedStep, edits: tuple[FileStep, ...]) -> PlannedStep:
    step = planned.step
    own = [edit for edit in edits if planned.arguments and _same_file(step, edit)]
    if not own or not isinstance(step, FileStep) or step.before is None:
        return planned
    text: bytes | None = step.before
    for edit in own:
        text = None if text is None else lines_back(text, edit)
    return planned if text is None else planned._replace(step=step._replace(after=text))


def _same_file(step: object, edit: FileStep) -> bool:
    return isinstance(step, FileStep) and step.path == edit.path


def lines_back(now: bytes, edit: FileStep) -> bytes | None:
    """Return a file with the lines that an edit changed as they were before it.

    None if one of them is not there any more, or there twice; lines that the edit
    has added or taken out are only put back if the whole file is as it left it.
    """
    if edit.before is None or edit.after is None:
        return None
    if now == edit.after:
        return edit.before
    before, after = edit.before.splitlines(True), edit.after.splitlines(True)
    if len(before) != len(after):
        return None
    lines = now.splitlines(True)
    for old, new in zip(before, after, strict=True):
        if old == new:
            continue
        if lines.count(new) != 1:
            return None
        lines[lines.index(new)] = old
    return b"".join(lines)
