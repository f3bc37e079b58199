"""``vfio-doctor setup passthrough``: a card is chosen, and bound in one plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vfio_doctor.app.failure import Failure
from vfio_doctor.diagnosis.judge import NOT_BOUND
from vfio_doctor.host.reader import Missing
from vfio_doctor.messages import say
from vfio_doctor.model import Message, Status
from vfio_doctor.places import DevicePlace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.app.chosen import Chosen
    from vfio_doctor.app.diagnosis import Diagnosed
    from vfio_doctor.app.place import Place
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.facts.pci.devices import PciDevice
    from vfio_doctor.facts.set_up_files import SetUpFiles
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.model import CheckResult, Diagnosis

IN_FIRMWARE = "iommu-firmware-off"
MSRS = "kvm-msrs-not-ignored"
SWITCHES = ("iommu-disabled-by-argument", "iommu-off")
UNKNOWN = say("setup-unknown", "what is set up here cannot be told: {why}")
# What a set-up repairs: other faults of the host are not its business.
CONCERNED = (
    IN_FIRMWARE,
    "iommu-disabled-by-argument",
    "iommu-off",
    "kvm-reports-ignored-msrs",
    NOT_BOUND,
)
STAYS = say(
    "setup-stays", "{device} stays with the host, and nothing was changed: {why}"
)
NOT_YET = say(
    "setup-not-yet",
    "Not bound yet: {devices}. After the reboot, run {command} again.",
)
NOT_YET_SINCE = say(
    "setup-not-yet-since",
    "Not bound yet: {devices}, since {why}. After the reboot, run {command} again.",
)
AHEAD = say(
    "setup-ahead",
    "The IOMMU is off until the reboot, so whether {devices} has a group that a VM can "
    "get is not known yet: `sudo vfio-doctor verify` and `vfio-doctor` say so then.",
)
FIRMWARE = say(
    "setup-firmware", "Nothing was changed. {what} {advice} Then run this again."
)
HEADLESS = say(
    "setup-headless",
    "If this is a host that needs no screen, such as a server, add --headless.",
)
THREE_D = say(
    "setup-3d-controller",
    "{device} is a 3D controller without a display output of its own: the VM shows its "
    "picture by Looking Glass with a virtual display, or over the network.",
)
NETWORKS = "/etc/libvirt/qemu/networks"
NETWORK = say(
    "setup-default-network",
    "libvirt's network `default` does not start at boot. If a VM uses it, run `sudo "
    "virsh net-autostart default`, and `sudo virsh net-start default`.",
)
# Reasons that are none on a host without a screen.
SCREENS = ("bind-only-display", "need-boot-screen", "need-screen-last")
# Reasons that no IOMMU changes: the first run says them, and plans nothing.
FOR_GOOD = (
    "bind-bridge",
    "bind-infrastructure",
    "bind-is-virtual",
    "bind-makes-virtual",
    "bind-needed",
    "bind-only-display",
)
A_BRIDGE = say(
    "setup-bridge", "{device} is a bridge: it stays with the host, and no VM needs it"
)
NO_SUCH = say("setup-no-such-device", "this host has no PCI device {device}")
SET_ALREADY = say(
    "setup-set-already",
    "{devices} is set to be bound already: reboot. After that, `sudo vfio-doctor "
    "verify` says whether it is.",
)
BOUND = say(
    "setup-bound",
    "{devices} is on vfio-pci, and something sees to it at boot: give it to the VM.",
)

BOUND_SHARED = say(
    "setup-bound-shared",
    "{device} is on vfio-pci, but no VM can get it: IOMMU group {group} also holds"
    " {others}, which the host has in use. `vfio-doctor` says what to do.",
)


def passthrough(chosen: Chosen, place: Place) -> int:
    """Let a device be chosen, plan, ask, bind; return the exit status."""
    from vfio_doctor.app import repair
    from vfio_doctor.app.card_choice import chosen_of
    from vfio_doctor.app.refused_here import refuse_here
    from vfio_doctor.app.repair_machine import NOTHING_CHANGED, to_stderr
    from vfio_doctor.app.siblings import with_siblings
    from vfio_doctor.app.stays import screen_is_right
    from vfio_doctor.facts.base import MissingFact

    try:
        refuse_here(chosen, place)
        # What is half done would be judged as if somebody had meant it.
        status = repair.unfinished(chosen, place)
        if isinstance(status, int):
            return status
        devices = chosen.devices or chosen_of(chosen, place)
        chosen = chosen._replace(
            devices=devices, bind=True, risky=True, select=_concerned(chosen)
        )
        if chosen.accept_siblings:
            chosen, done = with_siblings(chosen, place)
        else:
            done = place.look(chosen)
        _tell_if_bound(done.facts)
        _stop_for_firmware(done)
    except MissingFact as missing:
        raise Failure(str(UNKNOWN.filled(why=missing.message)), 3) from missing
    result = _of(done, NOT_BOUND)
    told = _refuse(done, result)
    if told is not None:
        raise Failure(f"{told}{_accepting(chosen, place, result)}", 1)
    after = None
    if _waits(done, result) or _waits_with_iommu(chosen, place, done):
        to_stderr(SET_ALREADY.filled(devices=devices))
        return _completed(chosen, place)
    if result.status is Status.BLOCKED:
        chosen, done, after = _with_iommu(chosen, place, done)
    _warn(done.facts)
    if not screen_is_right(chosen, place, done.facts):
        to_stderr(NOTHING_CHANGED)
        return 1
    status = repair.run(chosen, place, done)
    for message in (after, _network(done.host)):
        if message is not None:
            to_stderr(message)
    return status


def _completed(chosen: Chosen, place: Place) -> int:
    """Repair what is missing beside a card that is set to be bound already.

    If the IOMMU is off, it is set to be on as well.
    """
    from vfio_doctor.app import repair
    from vfio_doctor.app.planning import planned

    rest = tuple(check for check in _without_switches(chosen) if check != NOT_BOUND)
    chosen = chosen._replace(select=rest)
    done = place.look(chosen)
    plan, _ = planned(done, risky=True)
    return repair.run(chosen, place, done) if plan.steps or plan.refused else 0


def _without_switches(chosen: Chosen) -> tuple[str, ...]:
    """Return what is repaired but what switches the IOMMU on."""
    return tuple(check for check in chosen.select if check not in SWITCHES)


def _network(host: Reader) -> Message | None:
    """Return how libvirt's own network is started, if it is there and off."""
    there, starts = (
        not isinstance(host.lstat(f"{NETWORKS}/{name}"), Missing)
        for name in ("default.xml", "autostart/default.xml")
    )
    return NETWORK if there and not starts else None


def _concerned(chosen: Chosen) -> tuple[str, ...]:
    """Return what is repaired; that KVM ignores MSRs only if it is asked for."""
    return (*CONCERNED, MSRS) if chosen.ignore_msrs else CONCERNED


def as_files(chosen: Chosen, place: Place) -> SetUpFiles:
    """Return the set-up as files of an image; raise Failure if a card stays."""
    from vfio_doctor.app.card_choice import chosen_of
    from vfio_doctor.app.refused_here import refuse_here
    from vfio_doctor.app.siblings import with_siblings
    from vfio_doctor.facts.base import CannotFix, MissingFact
    from vfio_doctor.facts.pci.claims import ClaimKind
    from vfio_doctor.facts.pci.wanted import WantedDevices
    from vfio_doctor.facts.set_up_files import of_passthrough

    try:
        refuse_here(chosen, place)
        devices = chosen.devices or chosen_of(chosen, place)
        chosen = chosen._replace(devices=devices, bind=True, ahead=True)
        chosen = chosen._replace(select=(NOT_BOUND,))
        if chosen.accept_siblings:
            chosen, _ = with_siblings(chosen, place)
        facts = place.look(chosen).facts
        _tell_if_bound(facts)
        found = facts[WantedDevices].devices
        asked = [one.device.bdf for one in found if ClaimKind.SETUP in one.kinds]
        return of_passthrough(tuple(asked), facts)
    except CannotFix as why:
        told = STAYS.filled(device=" ".join(chosen.devices), why=why.message)
        raise Failure(_hinted(told, why.message), 1) from why
    except MissingFact as missing:
        raise Failure(str(UNKNOWN.filled(why=missing.message)), 3) from missing


def _of(done: Diagnosed, check: str) -> CheckResult:
    return next(r for r in done.report.checks if r.id == check)


def _stop_for_firmware(done: Diagnosed) -> None:
    """Raise Failure with the board's menu if the firmware keeps the IOMMU off."""
    for diagnosis in _of(done, IN_FIRMWARE).diagnoses:
        found = diagnosis.finding
        said = FIRMWARE.filled(what=found.message, advice=found.advice or "")
        raise Failure(str(said), 1)


def _with_iommu(
    chosen: Chosen, place: Place, done: Diagnosed
) -> tuple[Chosen, Diagnosed, Message]:
    """Return how to go on while the IOMMU is off, and what to say at the end.

    The card is bound along with what switches the IOMMU on, unless only groups can
    tell whether that is right: then binding takes a second run.
    """
    if not _comes_on(done):
        return chosen, done, _again(chosen)
    if _is_set(done):
        chosen = chosen._replace(select=_without_switches(chosen))
    ahead = chosen._replace(ahead=True)
    seen = place.look(ahead)
    result = _of(seen, NOT_BOUND)
    offers = [d.fix for d in result.diagnoses if d.fix is not None]
    reasons = [fix.cannot for fix in offers if fix.cannot is not None]
    for why in reasons:
        if why.id in FOR_GOOD:
            told = STAYS.filled(device=" ".join(chosen.devices), why=why)
            raise Failure(_hinted(told, why), 1)
    if reasons or not offers:
        return chosen, done, _again(chosen, next(iter(reasons), None))
    return ahead, seen, AHEAD.filled(devices=chosen.devices)


def _off(done: Diagnosed) -> Iterator[Diagnosis]:
    """Yield what keeps the IOMMU off, and an argument can change."""
    for check in SWITCHES:
        yield from _of(done, check).diagnoses


def _comes_on(done: Diagnosed) -> bool:
    """Tell whether this plan switches the IOMMU on, or a reboot that is due does."""
    return _is_set(done) or any(d.fix and not d.fix.cannot for d in _off(done))


def _is_set(done: Diagnosed) -> bool:
    """Tell whether the IOMMU is off, and set to be on from the reboot."""
    from vfio_doctor.diagnosis.offer import waits_for_reboot

    off = list(_off(done))
    return bool(off) and all(map(waits_for_reboot, off))


def _again(chosen: Chosen, why: Message | None = None) -> Message:
    """Return that a second run is needed, and which."""
    from vfio_doctor.app.program import each

    words = " ".join(each("--device", chosen.devices))
    command = f"`sudo vfio-doctor setup passthrough {words}`"
    if why is None:
        return NOT_YET.filled(devices=chosen.devices, command=command)
    return NOT_YET_SINCE.filled(devices=chosen.devices, command=command, why=why)


def _hinted(told: Message, why: Message) -> str:
    """Return a refusal; of a screen, with the option for hosts that need none."""
    whys = (why, *(value for _, value in why.params if isinstance(value, Message)))
    shows = any(each.id in SCREENS for each in whys)
    return f"{told}. {HEADLESS}" if shows else str(told)


def _warn(facts: Facts) -> None:
    """Say of a 3D controller that it has no display output."""
    from vfio_doctor.app.repair_machine import to_stderr
    from vfio_doctor.facts.pci.claims import ClaimKind
    from vfio_doctor.facts.pci.wanted import WantedDevices

    for one in facts[WantedDevices].devices:
        if ClaimKind.SETUP in one.kinds and one.device.class_.startswith("0302"):
            to_stderr(THREE_D.filled(device=one.device.bdf))


def _asked(done: Diagnosed, result: CheckResult) -> Iterator[tuple[str, Diagnosis]]:
    """Yield what was found of each card that this set-up is for, by its address."""
    from vfio_doctor.facts.pci.claims import ClaimKind
    from vfio_doctor.facts.pci.wanted import WantedDevices

    for diagnosis in result.diagnoses:
        place = diagnosis.finding.place
        if not isinstance(place, DevicePlace):
            continue
        one = done.facts[WantedDevices].of(place.address)
        if one is not None and ClaimKind.SETUP in one.kinds:
            yield place.address, diagnosis


def _refuse(done: Diagnosed, result: CheckResult) -> str | None:
    """Return why a named card is not bound, before anything is planned."""
    from vfio_doctor.diagnosis.offer import waits_for_reboot

    for device, diagnosis in _asked(done, result):
        why = None if diagnosis.fix is None else diagnosis.fix.cannot
        if why is not None and not waits_for_reboot(diagnosis):
            return _hinted(STAYS.filled(device=device, why=why), why)
    return None


def _accepting(chosen: Chosen, place: Place, result: CheckResult) -> str:
    """Return that what is in the way can be bound along, if nothing else stays."""
    from vfio_doctor.app.siblings import ACCEPT, SHARED, cards_of, with_siblings

    offers = [d.fix for d in result.diagnoses if d.fix is not None]
    if not any(fix.cannot is not None and fix.cannot.id in SHARED for fix in offers):
        return ""
    every, done = with_siblings(chosen, place)
    own = {one.bdf for one in cards_of(place.look(chosen).facts)}
    more = tuple(one.bdf for one in cards_of(done.facts) if one.bdf not in own)
    if not more or _refuse(done, _of(done, NOT_BOUND)) is not None:
        return ""
    return f". {ACCEPT.filled(devices=more)}"


def _waits(done: Diagnosed, result: CheckResult) -> bool:
    """Tell whether all that this set-up is for is set, and waits for a reboot."""
    from vfio_doctor.diagnosis.offer import waits_for_reboot

    asked = [diagnosis for _, diagnosis in _asked(done, result)]
    return bool(asked) and all(map(waits_for_reboot, asked))


def _waits_with_iommu(chosen: Chosen, place: Place, done: Diagnosed) -> bool:
    """Tell whether the IOMMU is off until a reboot that binds the cards as well."""
    if not _is_set(done):
        return False
    ahead = place.look(chosen._replace(ahead=True))
    return _waits(ahead, _of(ahead, NOT_BOUND))


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
            _refuse_shared(one.device, facts)
            click.echo(str(BOUND.filled(devices=one.device.bdf)), err=True)


def _refuse_shared(device: PciDevice, facts: Facts) -> None:
    """Raise Failure if the host holds another device of a bound one's group."""
    from vfio_doctor.facts.pci.devices import PciDevices
    from vfio_doctor.facts.pci.groups import blocks
    from vfio_doctor.facts.pci.wanted import WantedDevices

    group = device.group
    if group is None:
        return
    others = tuple(
        f"{other.bdf} ({other.driver})"
        for other in facts[PciDevices].devices
        if other.group == group
        and blocks(other)
        and facts[WantedDevices].of(other.bdf) is None
    )
    if others:
        said = BOUND_SHARED.filled(device=device.bdf, group=group, others=others)
        raise Failure(str(said), 1)
