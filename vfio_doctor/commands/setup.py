"""``vfio-doctor setup``: a host made ready by the rules that judge it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from vfio_doctor.app.chosen import Chosen
from vfio_doctor.app.failure import Failure
from vfio_doctor.app.options import with_examples
from vfio_doctor.app.repair_options import ACCESS
from vfio_doctor.app.setup_passthrough import UNKNOWN
from vfio_doctor.app.shared_options import Command, given, takes
from vfio_doctor.messages import say

if TYPE_CHECKING:
    from vfio_doctor.app.place import Place
    from vfio_doctor.app.setup_vm import VmPart
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.facts.set_up_files import SetUpFiles
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.model import Message, Report

LOOKING_GLASS, PASSTHROUGH = "looking-glass", "passthrough"
FORMS = ("bootc", "nixos")
# Which options are for which of the two.
ONLY_FOR = {
    "modes": ("--resolution", LOOKING_GLASS),
    "hdr": ("--hdr", LOOKING_GLASS),
    "access": ("--access", LOOKING_GLASS),
    "vm": ("--vm", LOOKING_GLASS),
    "devices": ("--device", PASSTHROUGH),
    "headless": ("--headless", PASSTHROUGH),
    "accept_siblings": ("--accept-siblings", PASSTHROUGH),
    "ignore_msrs": ("--ignore-msrs", PASSTHROUGH),
}
TOO_BIG = say(
    "setup-too-big",
    "a {width}x{height} picture needs {need} MiB of shared memory; {largest} MiB is "
    "the most that kvmfr and QEMU take together",
)
CAPTURED = say("setup-captured", "A captured host cannot be set up; add --dry-run.")
IS_FOR = say("setup-is-for", "{option} is for `setup {owner}`.")
NO_MODULE = "kvmfr-module-missing"
MODULE_FIRST = say(
    "setup-module-first",
    "This kernel has no kvmfr module, so this plan does not set up Looking Glass yet. "
    "By hand: {advice}",
)
NO_LINES_YET = say(
    "setup-no-lines-yet",
    "Once the module is there, run this again: it prints the lines for the VM then.",
)


class Resolution(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """A picture's width and height, as 2560x1440."""

    name = "resolution"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Return both in pixels; refuse what is no picture."""
        if isinstance(value, tuple):
            return value[0], value[1]
        found = re.fullmatch(r"([1-9]\d{2,4})[x×]([1-9]\d{2,4})", str(value).lower())
        if found is None:
            said = say(
                "usage-no-resolution",
                "{value} is no resolution such as 2560x1440.",
                value=repr(value),
            )
            self.fail(str(said), param, ctx)
        return int(found[1]), int(found[2])


@click.command("setup", cls=Command, short_help="Set up passthrough or Looking Glass.")
@click.argument("what", type=click.Choice((PASSTHROUGH, LOOKING_GLASS)))
@click.option(
    "--resolution",
    "modes",
    metavar="WxH",
    type=Resolution(),
    multiple=True,
    help="For Looking Glass: what the VM will show; give each if there are several. By "
    "default: the largest mode of a monitor here.",
)
@click.option(
    "--headless",
    is_flag=True,
    help="For passthrough: this host needs no screen; its only graphics card may go, "
    "unless a display is in use on it.",
)
@click.option(
    "--accept-siblings",
    is_flag=True,
    help="For passthrough: also bind what shares an IOMMU group with the card, unless "
    "the host needs it.",
)
@click.option(
    "--ignore-msrs",
    is_flag=True,
    help="For passthrough: also set kvm.ignore_msrs=1, for a guest that stops with a "
    "blue screen without it.",
)
@click.option("--hdr", is_flag=True, help="For Looking Glass: the picture is HDR.")
@click.option(
    "--vm",
    metavar="NAME",
    default="",
    help="For Looking Glass: give this VM of libvirt's the device, if it is off.",
)
@click.option(
    "--access",
    type=click.Choice(ACCESS),
    default="auto",
    show_default=True,
    help="For Looking Glass: how you get access to the kvmfr device.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(("text", *FORMS)),
    default="text",
    show_default=True,
    help="Instead of changing this host, print what such a set-up is made of: lines "
    "for the Containerfile of a bootc image, or a module of NixOS.",
)
@click.option("--dry-run", is_flag=True, help="Only show the plan. Needs no root.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@takes("user", "devices", "capture")
@click.pass_obj
@with_examples
def command(
    chosen: Chosen,
    what: str,
    modes: tuple[tuple[int, int], ...],
    hdr: bool,
    headless: bool,
    accept_siblings: bool,
    ignore_msrs: bool,
    vm: str,
    access: str,
    form: str,
    dry_run: bool,
    yes: bool,
) -> None:
    """Set up passthrough or Looking Glass, in one plan that is shown first.

    passthrough binds a whole card to vfio-pci at every boot, with the arguments and
    images that takes, unless the host needs the card, and lets you use libvirt's VMs.
    looking-glass gives the kvmfr module enough memory, has it loaded at boot, and lets
    you and QEMU open /dev/kvmfr0; then it prints the lines for the VM, or with --vm
    has libvirt take them into its definition.
    What is there already stays. `vfio-doctor undo` takes the last change back,
    `vfio-doctor teardown` the whole set-up, even much later.
    Exit status: 0 done, or nothing left to do but reboot; 1 it must not be done, or
    faults are left; 2 wrong usage, or not possible here; 3 it could not be told; 4 a
    step failed.

    Examples:
      sudo vfio-doctor setup passthrough --device 0000:01:00.0
      vfio-doctor setup looking-glass --resolution 2560x1440 --dry-run
      sudo vfio-doctor setup looking-glass --resolution 3840x2160 --hdr
      sudo vfio-doctor setup looking-glass --vm win11
      vfio-doctor setup passthrough --device 0000:01:00.0 --format bootc
    """
    from vfio_doctor.app.place import Place
    from vfio_doctor.app.setup_passthrough import passthrough

    refuse_mixed(click.get_current_context(), what, chosen.devices)
    chosen = chosen._replace(headless=headless, ignore_msrs=ignore_msrs)
    chosen = chosen._replace(accept_siblings=accept_siblings)
    if form != "text":
        made = _files(chosen, what, modes, hdr)
        raise click.exceptions.Exit(_printed(made, form))
    if chosen.capture is not None and not dry_run:
        raise click.UsageError(str(CAPTURED))
    chosen = chosen._replace(fix=True, dry_run=dry_run, yes=yes, access=access)
    if what == PASSTHROUGH:
        raise click.exceptions.Exit(passthrough(chosen, Place()))
    chosen = chosen._replace(areas=("kvmfr",))
    raise click.exceptions.Exit(looking_glass(chosen, modes, hdr, Place(), vm))


def refuse_mixed(ctx: click.Context, what: str, devices: tuple[str, ...]) -> None:
    """Raise UsageError if an option of the other set-up is given."""
    said = given(ctx) | ({"devices"} if devices else set())
    for name, (option, owner) in ONLY_FOR.items():
        if name in said and owner != what:
            raise click.UsageError(str(IS_FOR.filled(option=option, owner=owner)))


def _files(
    chosen: Chosen, what: str, modes: tuple[tuple[int, int], ...], hdr: bool
) -> SetUpFiles:
    from vfio_doctor.app.place import Place
    from vfio_doctor.app.setup_passthrough import as_files

    if what == PASSTHROUGH:
        return as_files(chosen, Place())
    return _looking_glass_files(chosen._replace(areas=("kvmfr",)), modes, hdr, Place())


def _printed(made: SetUpFiles, form: str) -> int:
    """Print the set-up in that form; nothing is changed."""
    from vfio_doctor.app.output import emit
    from vfio_doctor.report.set_up_files import containerfile, nixos_module

    emit(containerfile(made) if form == "bootc" else nixos_module(made))
    return 0


def _looking_glass_files(
    chosen: Chosen, modes: tuple[tuple[int, int], ...], hdr: bool, place: Place
) -> SetUpFiles:
    from vfio_doctor.facts.base import MissingFact
    from vfio_doctor.facts.kvmfr.access import KvmfrAccess
    from vfio_doctor.facts.kvmfr.size import KvmfrSize
    from vfio_doctor.facts.set_up_files import of_looking_glass

    facts = place.look(chosen).facts
    try:
        needed = _needed(modes, hdr)
        size = max(_set_already(facts), needed) or facts[KvmfrSize].mib
        return of_looking_glass(size, facts[KvmfrAccess].group or "kvm", facts)
    except MissingFact as missing:
        raise Failure(str(UNKNOWN.filled(why=missing.message)), 3) from missing


def looking_glass(
    chosen: Chosen,
    modes: tuple[tuple[int, int], ...],
    hdr: bool,
    place: Place,
    vm: str = "",
) -> int:
    """Plan, ask, repair, and print the VM's part; return the exit status."""
    from vfio_doctor.app import repair
    from vfio_doctor.app.refused_here import refuse_here
    from vfio_doctor.app.repair_machine import to_stderr
    from vfio_doctor.app.setup_vm import VmPart, definition, planned, tell_left
    from vfio_doctor.facts.base import MissingFact
    from vfio_doctor.facts.kvmfr.size import KvmfrSize

    try:
        refuse_here(chosen, place)
        needed = _needed(modes, hdr)
        ended = repair.unfinished(chosen, place)
        if isinstance(ended, int):
            return ended
        done = place.look(chosen)
        facts = done.facts
        set_already = _set_already(facts)
        size = max(set_already, needed)
        size = size or facts[KvmfrSize].mib
        part = VmPart(vm, definition(facts, vm)) if vm else VmPart()
    except MissingFact as missing:
        raise Failure(str(UNKNOWN.filled(why=missing.message)), 3) from missing
    no_module = _module_advice(done.report)
    wish = 0 if no_module or size == set_already else size
    if no_module and _repairs_something(done.report):
        # A plan with steps does not say what is to be done by hand.
        to_stderr(MODULE_FIRST.filled(advice=no_module))
    sized = chosen._replace(size_mib=wish)
    acts = chosen.capture is None and place.is_root()
    if vm and acts and not no_module:
        part = planned(vm, part.path, size << 20)
    known = done if sized == chosen else None
    status = repair.run(sized, place, known, part.plan)
    if no_module:
        to_stderr(NO_LINES_YET)
    elif status in (0, 1, 3) and part.plan is None:
        _tell_lines(chosen, done.host, part, size << 20)
        tell_left(part, bool(vm) and not (acts or chosen.dry_run))
        return status or int(part.why is not None)
    return status


def _tell_lines(chosen: Chosen, host: Reader, part: VmPart, size: int) -> None:
    """Print what the VM needs, for a person to put into its definition."""
    from vfio_doctor.app.output import emit, look
    from vfio_doctor.app.setup_vm import by_hand
    from vfio_doctor.report.wrap import wrap

    seen = look(chosen.color, chosen.verbosity, None, chosen)
    said, lines = by_hand(host, part, size)
    told = "\n".join(wrap(str(said), seen.width, "", ""))
    emit("\n".join(["", told, "", *lines]) + "\n")


def _module_advice(report: Report) -> Message | None:
    """Return how to get the module that this kernel lacks; None if it has one."""
    found = [d for r in report.checks if r.id == NO_MODULE for d in r.diagnoses]
    return found[0].finding.advice or NO_LINES_YET if found else None


def _repairs_something(report: Report) -> bool:
    fixes = (d.fix for result in report.checks for d in result.diagnoses)
    return any(fix is not None and fix.cannot is None for fix in fixes)


def _needed(modes: tuple[tuple[int, int], ...], hdr: bool) -> int:
    """Return the MiB for these pictures; 0: none was named. Raises Failure."""
    from vfio_doctor.facts.kvmfr.limits import LARGEST
    from vfio_doctor.facts.kvmfr.size import mib_for

    if not modes:
        return 0
    need, (width, height) = max((mib_for(*mode, hdr), mode) for mode in modes)
    if need > LARGEST:
        told = TOO_BIG.filled(width=width, height=height, need=need, largest=LARGEST)
        raise Failure(str(told), 2)
    return need


def _set_already(facts: Facts) -> int:
    """Return the first device's size at the next boot, if it is a good one; or 0."""
    from vfio_doctor.facts.kvmfr.size import KvmfrSettings

    following = facts[KvmfrSettings].following
    return 0 if following.problems else following.sizes.mib[0]
