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
MAY_STAY = say(
    "teardown-vm-may-stay",
    "The VM {vm} may still have the device of Looking Glass, and would not start "
    "without it: {why}. Look with `virsh dumpxml --inactive {vm}`.",
)
CHANGED = say("teardown-vm-changed", "its definition was changed since")
# What a definition names if it has the device.
DEVICE = b"kvmfr"


class DomainBack(NamedTuple):
    """A VM as it was before the first of the runs, and the digest of what they made.

    ``runs`` have defined it anew.
    """

    path: str
    uuid: str
    text: bytes
    made: str
    runs: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Return the VM's name."""
        return DomainStep(self.path, self.uuid, self.text, self.text).name


def domains_of(runs: tuple[Run, ...], fix: str) -> tuple[DomainBack, ...]:
    """Return each VM that this repair has defined anew, and no later run put back.

    A tear-down that could not put it back does not end that.
    """
    found: dict[str, DomainBack] = {}
    made = ((r.id, e) for r in runs for e in r.entries if e.state is StepState.DONE)
    for run, entry in made:
        step = entry.step.step
        if not isinstance(step, DomainStep):
            continue
        first = found.get(step.path)
        if fix in entry.step.fixes:
            found[step.path] = _made(first, run, step, entry.made)
        elif first is not None and step.after == first.text:
            del found[step.path]
    return tuple(found.values())


def _made(
    first: DomainBack | None, run: str, step: DomainStep, made: str
) -> DomainBack:
    if first is None or digest(step.before) != first.made:
        return DomainBack(step.path, step.uuid, step.before, made, (run,))
    return first._replace(made=made, runs=(*first.runs, run))


def not_back(domains: tuple[DomainBack, ...]) -> tuple[DomainBack, ...]:
    """Return those that have the device still, or may have it."""
    return tuple(one for one in domains if _has_it(one))


def _has_it(one: DomainBack) -> bool:
    from vfio_doctor.repair.domain_step import NO_VM, defined

    try:
        held = defined(one.name)
    except StepFailed as failed:
        return failed.message.id != NO_VM.id
    ours = digest(held.text) == one.made
    return held.text != one.text and (ours or DEVICE in held.text)


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
                stay.append(_stays(one, failed.message))
            continue
        if step is not None:
            steps.append(step)
    return tuple(steps), tuple(stay)


def _stays(one: DomainBack, why: Message) -> Message:
    """Say that a VM has the device; that it may have it, if libvirt cannot be asked."""
    from vfio_doctor.repair.domain_step import RUNS, SAVED

    seen = why.id in (CHANGED.id, RUNS.id, SAVED.id)
    return (STAYS if seen else MAY_STAY).filled(vm=one.name, why=why)


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
