"""``setup looking-glass --vm NAME``: the VM gets the device, in the same plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.app.failure import Failure
from vfio_doctor.messages import say
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.model import Message
    from vfio_doctor.repair.values import Plan

GIVE = say("setup-vm-give", "Give the VM {vm} the device of Looking Glass")
CHANGE = say(
    "setup-change-vm",
    "Then give the VM {vm} the device: run `virsh edit {vm}` and make this change:",
)
NO_VM = say("setup-no-such-vm", "no VM of libvirt's system instance is called {vm}")
NO_PLACE = say(
    "setup-vm-no-place",
    "{path} names a device of Looking Glass already, or has no place for one: "
    "`vfio-doctor vm {vm}` says what is wrong with it, if anything is.",
)
PASTE = say(
    "setup-paste",
    "Then give the VM the device: put this into its definition "
    "(`virsh edit NAME`), as the last child of <domain>, with "
    "xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0' in the tag <domain> "
    "itself:",
)
LEFT = say("setup-vm-left", "The VM {vm} does not have the device yet: {why}.")


class VmPart(NamedTuple):
    """A VM that is to get the device: the plan for it, or why there is none.

    Neither is there if nobody acts, or if its definition has no place for one.
    """

    name: str = ""
    path: str = ""
    plan: Plan | None = None
    why: Message | None = None


def definition(facts: Facts, vm: str) -> str:
    """Return the path of a VM's definition; raise Failure if there is none."""
    from vfio_doctor.facts.vms import Vms

    found = [one.path for one in facts[Vms].vms if one.of_system and one.name == vm]
    if not found:
        raise Failure(str(NO_VM.filled(vm=vm)), 2)
    return found[0]


def planned(vm: str, path: str, size: int) -> VmPart:
    """Return the plan for a VM that is off, as libvirt has it now."""
    from vfio_doctor.facts.vms import SYSTEM
    from vfio_doctor.model import Applicability, DomainStep
    from vfio_doctor.parse.looking_glass_vm import with_device
    from vfio_doctor.repair.domain_step import defined, in_the_way
    from vfio_doctor.repair.set_ups import VM
    from vfio_doctor.repair.syscalls import StepFailed
    from vfio_doctor.repair.values import Plan, PlannedFix, PlannedStep

    try:
        held = defined(vm)
    except StepFailed as failed:
        return VmPart(vm, path, why=failed.message)
    why = in_the_way(vm, held)
    text = with_device(held.text.decode("utf-8"), size)
    if why is not None or text is None:
        return VmPart(vm, path, why=why)
    step = DomainStep(f"{SYSTEM}/{vm}.xml", held.uuid, held.text, text.encode("utf-8"))
    risky = Applicability.RISKY
    fix = PlannedFix(VM, GIVE.filled(vm=vm), risky, False, (), (), _lost())
    return VmPart(vm, path, Plan((PlannedStep(step, (VM,)),), (fix,)))


def _lost() -> Message:
    from vfio_doctor.app.vm_redefine import LOST

    return LOST


def by_hand(host: Reader, part: VmPart, size: int) -> tuple[Message, list[str]]:
    """Return what to do with a VM's definition, and the lines for that."""
    from vfio_doctor.host.reader import Missing, read_text
    from vfio_doctor.parse.looking_glass_vm import BLOCK, with_device
    from vfio_doctor.report.plan import difference

    if not part.name:
        return PASTE, BLOCK.format(size=size).splitlines()
    text = read_text(host, part.path)
    changed = None if isinstance(text, Missing) else with_device(text, size)
    if isinstance(text, Missing) or changed is None:
        return NO_PLACE.filled(path=part.path, vm=part.name), []
    change = CHANGE.filled(vm=part.name)
    return change, list(difference(text, changed, part.path))


def tell_left(part: VmPart, as_root: bool) -> None:
    """Say why the VM is left to the person, if it could be done for them."""
    import sys

    from vfio_doctor.app.repair_machine import root_command, to_stderr
    from vfio_doctor.app.vm_redefine import AS_ROOT

    if part.why is not None:
        to_stderr(LEFT.filled(vm=part.name, why=part.why))
    elif as_root:
        to_stderr(AS_ROOT.filled(command=root_command(None, sys.argv)))
