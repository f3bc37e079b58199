"""``vfio-doctor vm --fix --risky``: have libvirt define VMs anew, journalled."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from vfio_doctor.app.failure import Failure
from vfio_doctor.app.output import emit, look, opened
from vfio_doctor.app.place import Place
from vfio_doctor.app.repair_machine import (
    NO_TERMINAL,
    NOTHING_CHANGED,
    root_command,
    to_stderr,
)
from vfio_doctor.facts.vms import SYSTEM, of_person
from vfio_doctor.lints.judge import judge
from vfio_doctor.messages import say
from vfio_doctor.model import Applicability, DomainStep
from vfio_doctor.parse.xml_edit import applied
from vfio_doctor.repair.domain_step import NO_LIBRARY, Defined, defined, in_the_way
from vfio_doctor.repair.syscalls import StepFailed
from vfio_doctor.repair.values import Ending, Plan, PlannedFix, PlannedStep

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.app.chosen import Chosen
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.lints.judge import Judged
    from vfio_doctor.model import Message

FAILED, USAGE = 4, 2
FLATPAKS = ("org.virt_manager.virt-manager", "org.gnome.Boxes")
FIX = "vm-redefine"
SUMMARY = say("vm-redefine-summary", "Define VMs of libvirt's anew")
LOST = say(
    "vm-redefine-lost",
    "what a guest has made of its devices may change: Windows may see new ones",
)
NOT_LIBVIRTS = say(
    "vm-redefine-not-libvirts",
    "{path}: only a VM that libvirt's system instance has is defined anew; for a file"
    " use --fix --dry-run, and `patch`.",
)
OF_PERSON = say(
    "vm-redefine-of-person",
    "{path}: {vm} is a VM of somebody's own session, and nothing was changed: what root"
    " writes there, they could not change any more. As the person whose VM it is,"
    " without sudo, write the corrected definition to a file with `vfio-doctor vm --fix"
    " --risky -o FILE.xml {vm}`, then, with the VM off, run {command}.",
)
WRITTEN_OF_PERSON = say(
    "vm-redefine-written-of-person",
    "{path} has the corrected definition of {vm}. With the VM off, and without sudo,"
    " run {command}.",
)
DEFINE = say("vm-redefine-define", "`virsh -c qemu:///session define {file}`")
DEFINE_IN = say(
    "vm-redefine-define-in",
    "`flatpak run --command=virsh {app} -c qemu:///session define /dev/stdin < {file}`",
)
NOTHING = say("vm-redefine-nothing", "There is nothing that can be put right here.")
BY_HAND = say(
    "vm-redefine-by-hand",
    "Nothing was changed: {why}. Write the corrected definition to a file with"
    " `vfio-doctor vm --fix --risky -o FILE.xml {vm}`, then, with the VM off, run"
    " `virsh define FILE.xml`.",
)
WRITTEN = say(
    "vm-redefine-written",
    "{path} has the corrected definition of {vm}. With the VM off, run `virsh define"
    " {path}`.",
)
ONE_FILE = say("vm-redefine-one", "-o takes one VM: name it.")
SKIPPED = say("vm-redefine-skipped", "Left as it is: {why}.")
TAKE_BACK = say("vm-redefine-undo", "To take it back, with the VM off: {command}")
AS_ROOT = say("vm-redefine-as-root", "Run it as root: {command}")
ASK = say("ask-redefine", "Do this?")


def run(
    chosen: Chosen,
    host: Reader,
    facts: Facts,
    found: tuple[Judged, ...],
    place: Place | None = None,
) -> int:
    """Define each VM that has something to be put right; return the exit status."""
    place = place or Place()
    for one in found:
        _refuse_others(one, to_file=bool(chosen.output))
    if chosen.output:
        return _written(found, str(chosen.output))
    skipped: list[Message] = []
    steps = tuple(_steps(found, facts, skipped))
    for why in skipped:
        to_stderr(SKIPPED.filled(why=why))
    if not steps:
        emit("" if skipped else f"{NOTHING}\n", None)
        return FAILED if skipped else 0
    plan = _plan(steps)
    _tell(plan, chosen)
    if not place.is_root():
        command = root_command(None, list(sys.argv))
        to_stderr(AS_ROOT.filled(command=command))
        return USAGE
    if not chosen.yes:
        if not place.is_terminal():
            to_stderr(NO_TERMINAL)
            return USAGE
        if not place.consents(ASK):
            to_stderr(NOTHING_CHANGED)
            return 1
    return _applied(plan, host, place, chosen)


def _refuse_others(one: Judged, *, to_file: bool) -> None:
    """Refuse what the system's libvirt has not; a person's own may go to a file."""
    if of_person(one.path):
        if to_file:
            return
        command = _define("FILE.xml", one.path)
        told = OF_PERSON.filled(path=one.path, vm=one.name, command=command)
        raise Failure(str(told), USAGE)
    if not one.path.startswith(f"{SYSTEM}/"):
        raise Failure(str(NOT_LIBVIRTS.filled(path=one.path)), USAGE)


def _steps(
    found: tuple[Judged, ...], facts: Facts, skipped: list[Message]
) -> Iterator[DomainStep]:
    for one in found:
        if one.refused or not any(fault.cure for fault in one.faults):
            continue
        try:
            held = defined(one.name)
        except StepFailed as why:
            if why.message.id == NO_LIBRARY.id:
                told = BY_HAND.filled(why=why.message, vm=one.name)
                raise Failure(str(told), USAGE) from why
            skipped.append(why.message)
            continue
        why_not = in_the_way(one.name, held)
        if why_not is not None:
            skipped.append(why_not)
            continue
        step = _step(one, held, facts)
        if step.before != step.after:
            yield step


def _step(one: Judged, held: Defined, facts: Facts) -> DomainStep:
    """Put right what libvirt says, which may differ from its file's comments."""
    lints = {fault.lint: None for fault in one.faults}
    judged = judge(held.text, one.path, facts, tuple(lints))
    edits = (edit for fault in judged.faults for edit in fault.cure)
    path = f"{SYSTEM}/{one.name}.xml"
    return DomainStep(path, held.uuid, held.text, applied(held.text, edits))


def _plan(steps: tuple[DomainStep, ...]) -> Plan:
    fix = PlannedFix(FIX, SUMMARY, Applicability.RISKY, False, (), (), LOST)
    return Plan(tuple(PlannedStep(step, (FIX,)) for step in steps), (fix,))


def _tell(plan: Plan, chosen: Chosen) -> None:
    from vfio_doctor.report.plan import detail, headline

    seen = look(chosen.color, 0, None)
    lines = []
    for number, planned in enumerate(plan.steps, 1):
        lines.append(f"{number}. {headline(planned.step)}")
        lines += [f"   {line}" for line in detail(planned.step)]
    lines.append(str(say("vm-redefine-risk", "What may be lost: {lost}.", lost=LOST)))
    text = "".join(f"{line}\n" for line in lines)
    from vfio_doctor.report.untrusted import ascii_only

    emit(text if seen.utf8 else ascii_only(text), None)


def _applied(plan: Plan, host: Reader, place: Place, chosen: Chosen) -> int:
    from vfio_doctor.repair.session import apply_plan
    from vfio_doctor.report.plan import outcome_lines

    outcome = apply_plan(plan, place.machine(host, None))
    lines = outcome_lines(outcome, (), look(chosen.color, 0, None))
    emit("\n".join(["", *lines]) + "\n", None)
    return 0 if outcome.ending is Ending.DONE else FAILED


def _written(found: tuple[Judged, ...], output: str) -> int:
    """Write the corrected definition, for `virsh define`."""
    if len(found) != 1 or found[0].document is None:
        raise Failure(str(ONE_FILE), USAGE)
    (one,) = found
    assert one.document is not None
    edits = (edit for fault in one.faults for edit in fault.cure)
    text = applied(one.document.source.data, edits)
    # A definition may hold the passwords of its screens.
    with opened(output, 0o600) as file:
        emit(text.decode("utf-8"), file)
    if of_person(one.path):
        command = _define(output, one.path)
        to_stderr(WRITTEN_OF_PERSON.filled(path=output, vm=one.name, command=command))
    else:
        to_stderr(WRITTEN.filled(path=output, vm=one.name))
    return 0


def _define(file: str, path: str) -> Message:
    """Return how a person defines a VM of their own session from a file.

    A Flatpak has a libvirt of its own, which may not see the file.
    """
    for app in FLATPAKS:
        if f"/.var/app/{app}/" in path:
            return DEFINE_IN.filled(app=app, file=file)
    return DEFINE.filled(file=file)
