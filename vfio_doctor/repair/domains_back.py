"""VMs that a set-up has defined anew: what takes them back in a tear-down."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.messages import say
from vfio_doctor.model import DomainStep
from vfio_doctor.repair.plan import digest
from vfio_doctor.repair.syscalls import StepFailed
from vfio_doctor.repair.values import StepState
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.model import Message
    from vfio_doctor.repair.journal_lines import Run

STAYS = say(
    "teardown-vm-stays",
    "The VM {vm} still has the device of Looking Glass, and will not start without it:"
    " {why}. Take it out with `virsh edit {vm}`.",
)
CHANGED = say("teardown-vm-changed", "its definition was changed since")


class DomainBack(NamedTuple):
    """A VM as it was before the first of the runs, and the digest of what they made."""

    path: str
    uuid: str
    text: bytes
    made: str

    @property
    def name(self) -> str:
        """Return the VM's name."""
        return DomainStep(self.path, self.uuid, self.text, self.text).name


def domains_of(runs: list[Run]) -> tuple[DomainBack, ...]:
    """Return each VM that the runs have defined anew, once."""
    found: dict[str, DomainBack] = {}
    for entry in (entry for run in runs for entry in run.entries):
        step = entry.step.step
        if not isinstance(step, DomainStep) or entry.state is not StepState.DONE:
            continue
        first = found.get(step.path)
        goes_on = first is not None and digest(step.before) == first.made
        text = first.text if first is not None and goes_on else step.before
        found[step.path] = DomainBack(step.path, step.uuid, text, entry.made)
    return tuple(found.values())


def domain_steps(
    domains: tuple[DomainBack, ...],
) -> tuple[tuple[DomainStep, ...], tuple[Message, ...]]:
    """Return what takes the VMs back, and which have to stay as they are."""
    from vfio_doctor.repair.domain_step import NO_VM

    steps, stay = [], []
    for one in domains:
        try:
            step = _step(one)
        except StepFailed as failed:
            if failed.message.id != NO_VM.id:
                stay.append(STAYS.filled(vm=one.name, why=failed.message))
            continue
        if step is not None:
            steps.append(step)
    return tuple(steps), tuple(stay)


def _step(one: DomainBack) -> DomainStep | None:
    """Return the step, None if the VM is as it was; raise `StepFailed`."""
    from vfio_doctor.repair.domain_step import defined, in_the_way

    held = defined(one.name)
    if held.text == one.text:
        return None
    if digest(held.text) != one.made:
        raise StepFailed(CHANGED)
    why = in_the_way(one.name, held)
    if why is not None:
        raise StepFailed(why)
    return DomainStep(one.path, one.uuid, held.text, one.text)
