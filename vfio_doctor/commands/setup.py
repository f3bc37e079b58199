"""``vfio-doctor setup``: a host made ready by the rules that judge it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from vfio_doctor.app.chosen import Chosen
from vfio_doctor.app.options import Failure, with_examples
from vfio_doctor.app.repair_options import ACCESS
from vfio_doctor.app.shared_options import Command, given, takes
from vfio_doctor.messages import say
from vfio_doctor.model import Status
from vfio_doctor.places import DevicePlace
from vfio_doctor.report.untrusted import clean

if TYPE_CHECKING:
    from vfio_doctor.app.diagnosis import Diagnosed
    from vfio_doctor.app.place import Place
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.facts.pci.table import DeviceRow
    from vfio_doctor.model import CheckResult

LOOKING_GLASS, PASSTHROUGH = "looking-glass", "passthrough"
# Which options are for which of the two.
ONLY_FOR = {
    "modes": ("--resolution", LOOKING_GLASS),
    "hdr": ("--hdr", LOOKING_GLASS),
    "access": ("--access", LOOKING_GLASS),
    "devices": ("--device", PASSTHROUGH),
}
TOO_BIG = say(
    "setup-too-big",
    "a {width}x{height} picture needs {need} MiB of shared memory; {largest} MiB is "
    "the most that kvmfr and QEMU take together",
)
NOT_BOUND = "vfio-not-bound"
# What a set-up repairs: other faults of the host are not its business.
CONCERNED = (
    "iommu-disabled-by-argument",
    "iommu-off",
    "kvm-reports-ignored-msrs",
    NOT_BOUND,
)
CHOICE = say("setup-choice", "{devices}: {what} ({verdict})")
CHOICES = say("setup-choices", "What may be given to a VM, a number each:")
WHICH = "Which one (a number; Ctrl-C leaves, and nothing is changed yet)"
KEPT = say("setup-kept", "What has to stay with the host:")
KEPT_ONE = say("setup-kept-one", "{devices}: {verdict}")
NONE_FREE = say("setup-none-free", "no device here can be given to a VM, see above")
NAME_ONE = say(
    "setup-name-one",
    "Name the device: --device 0000:01:00.0, or its ids. `vfio-doctor devices` lists "
    "what may be given away.",
)
NO_GROUPS = say(
    "setup-no-groups",
    "The IOMMU is off, so nothing can be given away yet. `vfio-doctor` says why, and "
    "what to do; reboot, then run this again.",
)
STAYS = say(
    "setup-stays", "{device} stays with the host, and nothing was changed: {why}"
)
NOT_YET = say(
    "setup-not-yet",
    "Not bound yet: {devices}. After the reboot, run {command} again.",
)
A_BRIDGE = say(
    "setup-bridge", "{device} is a bridge: it stays with the host, and no VM needs it"
)
NO_SUCH = say("setup-no-such-device", "this host has no PCI device {device}")
BOUND = say(
    "setup-bound",
    "{devices} is on vfio-pci, and something sees to it at boot: give it to the VM.",
)
UNKNOWN = say("setup-unknown", "what is set up here cannot be told: {why}")
NO_MODULE = "kvmfr-module-missing"
NO_LINES_YET = say(
    "setup-no-lines-yet",
    "Once the module is there, run this again: it prints the lines for the VM then.",
)
PASTE = say(
    "setup-paste",
    "Then give the VM the device: put this into its definition "
    "(`virsh edit NAME`), as the last child of <domain>, with "
    "xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0' in the tag <domain> "
    "itself:",
)
# The JSON form: libvirt from 7.9 on makes its own devices so, and QEMU makes those
# first (vfio-kvmfr a.6; looking-glass.io, "IVSHMEM with the KVMFR module").
BLOCK = """\
  <qemu:commandline>
    <qemu:arg value='-device'/>
    <qemu:arg value="{{'driver':'ivshmem-plain','id':'shmem0',\
'memdev':'looking-glass'}}"/>
    <qemu:arg value='-object'/>
    <qemu:arg value="{{'qom-type':'memory-backend-file','id':'looking-glass',\
'mem-path':'/dev/kvmfr0','size':{size},'share':true}}"/>
  </qemu:commandline>"""


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
            self.fail(f"{value!r} is no resolution such as 2560x1440.", param, ctx)
        return int(found[1]), int(found[2])


@click.command("setup", cls=Command, short_help="Make this host ready.")
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
@click.option("--hdr", is_flag=True, help="For Looking Glass: the picture is HDR.")
@click.option(
    "--access",
    type=click.Choice(ACCESS),
    default="auto",
    show_default=True,
    help="For Looking Glass: how you get access to the kvmfr device.",
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
    access: str,
    dry_run: bool,
    yes: bool,
) -> None:
    """Make this host ready, in one plan that is shown first.

    passthrough binds a whole card to vfio-pci at every boot, with the arguments and
    images that takes, unless the host needs the card. looking-glass gives the kvmfr
    module enough memory, has it loaded at boot, and lets you and QEMU open
    /dev/kvmfr0; then it prints the lines for the VM.
    What is there already stays. `vfio-doctor undo` takes it back.

    Examples:
      sudo vfio-doctor setup passthrough --device 0000:01:00.0
      vfio-doctor setup looking-glass --resolution 2560x1440 --dry-run
      sudo vfio-doctor setup looking-glass --resolution 3840x2160 --hdr
    """
    from vfio_doctor.app.place import Place

    refuse_mixed(click.get_current_context(), what, chosen.devices)
    if chosen.capture is not None and not dry_run:
        raise click.UsageError("A captured host cannot be set up; add --dry-run.")
    chosen = chosen._replace(fix=True, dry_run=dry_run, yes=yes, access=access)
    if what == PASSTHROUGH:
        raise click.exceptions.Exit(passthrough(chosen, Place()))
    chosen = chosen._replace(areas=("kvmfr",))
    raise click.exceptions.Exit(looking_glass(chosen, modes, hdr, Place()))


def refuse_mixed(ctx: click.Context, what: str, devices: tuple[str, ...]) -> None:
    """Raise UsageError if an option of the other set-up is given."""
    said = given(ctx) | ({"devices"} if devices else set())
    for name, (option, owner) in ONLY_FOR.items():
        if name in said and owner != what:
            raise click.UsageError(f"{option} is for `setup {owner}`.")


def passthrough(chosen: Chosen, place: Place) -> int:
    """Let a device be chosen, plan, ask, bind; return the exit status."""
    from vfio_doctor.app import repair
    from vfio_doctor.app.program import each
    from vfio_doctor.app.refused_here import refuse
    from vfio_doctor.app.repair_machine import to_stderr
    from vfio_doctor.facts.base import MissingFact

    try:
        refuse(_facts(chosen, place))
        devices = chosen.devices or _chosen_of(place.look(chosen).facts, place)
        chosen = chosen._replace(
            devices=devices, bind=True, risky=True, select=CONCERNED
        )
        done = place.look(chosen)
        _tell_if_bound(done.facts)
    except MissingFact as missing:
        raise Failure(str(UNKNOWN.filled(why=missing.message)), 3) from missing
    result = next(r for r in done.report.checks if r.id == NOT_BOUND)
    _refuse(done, result)
    status = repair.run(chosen, place)
    if result.status is Status.BLOCKED:
        again = f"vfio-doctor setup {PASSTHROUGH} {' '.join(each('--device', devices))}"
        to_stderr(NOT_YET.filled(devices=devices, command=f"`sudo {again}`"))
    return status


def _facts(chosen: Chosen, place: Place) -> Facts:
    """Return the host's facts, to be asked before anything is judged."""
    from vfio_doctor.app.open_host import open_host
    from vfio_doctor.facts.base import Facts

    return Facts(open_host(chosen.capture) if chosen.capture else place.host())


def _refuse(done: Diagnosed, result: CheckResult) -> None:
    """Raise Failure, before anything is planned, if a named card is not bound."""
    from vfio_doctor.facts.pci.claims import ClaimKind
    from vfio_doctor.facts.pci.wanted import WantedDevices

    for diagnosis in result.diagnoses:
        place, fix = diagnosis.finding.place, diagnosis.fix
        if not isinstance(place, DevicePlace) or fix is None or fix.cannot is None:
            continue
        one = done.facts[WantedDevices].of(place.address)
        if one is not None and ClaimKind.SETUP in one.kinds:
            raise Failure(str(STAYS.filled(device=place.address, why=fix.cannot)), 1)


def _chosen_of(facts: Facts, place: Place) -> tuple[str, ...]:
    """Show what may be given away and what not, and ask. Raises UsageError."""
    from vfio_doctor.app.place import answered

    if not place.is_terminal():
        raise click.UsageError(str(NAME_ONE))
    cards = _cards(facts)
    if all(row.device.group is None for rows in cards for row in rows):
        raise Failure(str(NO_GROUPS), 1)
    free = [rows for rows in cards if all(r.verdict.free is not False for r in rows)]
    click.echo(str(CHOICES), err=True)
    for number, rows in enumerate(free, 1):
        what, verdict = rows[0].name or rows[0].kind, rows[0].verdict.words
        line = CHOICE.filled(devices=_named(rows), what=what, verdict=verdict)
        click.echo(f"{number:>3}. {clean(line)}", err=True)
    click.echo(str(KEPT), err=True)
    for rows in cards:
        if rows not in free:
            held = next(r for r in rows if r.verdict.free is False)
            line = KEPT_ONE.filled(devices=_named(rows), verdict=held.verdict.words)
            click.echo(f"     {clean(line)}", err=True)
    if not free:
        raise Failure(str(NONE_FREE), 1)
    with answered():
        number = click.prompt(WHICH, type=click.IntRange(1, len(free)), err=True)
    return tuple(row.device.bdf for row in free[number - 1])


def _cards(facts: Facts) -> list[list[DeviceRow]]:
    """Return the functions that a person would give away, a list for each card."""
    from vfio_doctor.facts.pci.chipset import is_bridge, is_infrastructure
    from vfio_doctor.facts.pci.table import DeviceTable
    from vfio_doctor.parse.pci import slot

    cards: dict[str, list[DeviceRow]] = {}
    for row in facts[DeviceTable].rows:
        if not (is_bridge(row.device) or is_infrastructure(row.device)):
            cards.setdefault(slot(row.device.bdf), []).append(row)
    return list(cards.values())


def _named(rows: list[DeviceRow]) -> str:
    return " + ".join(row.device.bdf for row in rows)


def _tell_if_bound(facts: Facts) -> None:
    """Say that a named device is bound already; raise Failure if there is none."""
    from vfio_doctor.facts.pci.chipset import is_bridge
    from vfio_doctor.facts.pci.claims import ClaimKind
    from vfio_doctor.facts.pci.wanted import WantedDevices

    wanted = facts[WantedDevices]
    for claim in wanted.lost:
        if claim.kind is ClaimKind.SETUP:
            raise Failure(str(NO_SUCH.filled(device=claim.word)), 2)
    for one in wanted.devices:
        if ClaimKind.SETUP in one.kinds and is_bridge(one.device):
            raise Failure(str(A_BRIDGE.filled(device=one.device.bdf)), 1)
        others = one.kinds - {ClaimKind.SETUP, ClaimKind.NOW}
        if ClaimKind.SETUP in one.kinds and one.held and others:
            click.echo(str(BOUND.filled(devices=one.device.bdf)), err=True)


def looking_glass(
    chosen: Chosen, modes: tuple[tuple[int, int], ...], hdr: bool, place: Place
) -> int:
    """Plan, ask, repair, and print the VM's part; return the exit status."""
    from vfio_doctor.app import repair
    from vfio_doctor.app.output import emit, look
    from vfio_doctor.app.refused_here import refuse
    from vfio_doctor.app.repair_machine import to_stderr
    from vfio_doctor.facts.base import MissingFact
    from vfio_doctor.facts.kvmfr.size import KvmfrSize
    from vfio_doctor.report.wrap import wrap

    try:
        refuse(_facts(chosen, place))
        needed = _needed(modes, hdr)
        done = place.look(chosen)
        facts = done.facts
        set_already = _set_already(facts)
        size = max(set_already, needed)
        size = size or facts[KvmfrSize].mib
    except MissingFact as missing:
        raise Failure(str(UNKNOWN.filled(why=missing.message)), 3) from missing
    no_module = any(r.id == NO_MODULE and r.diagnoses for r in done.report.checks)
    wish = 0 if no_module or size == set_already else size
    status = repair.run(chosen._replace(size_mib=wish), place)
    if no_module:
        to_stderr(NO_LINES_YET)
    elif status in (0, 1, 3):
        seen = look(chosen.color, chosen.verbosity, None, chosen)
        told = "\n".join(wrap(str(PASTE), seen.width, "", ""))
        emit(f"\n{told}\n\n{BLOCK.format(size=size << 20)}\n")
    return status


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
