"""How a card can be given to vfio-pci at boot: by its ids, or by its addresses."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vfio_doctor.facts.base import CannotFix, MissingFact
from vfio_doctor.facts.boot.arguments import BootArguments
from vfio_doctor.facts.boot.stack import BootKind, BootStack
from vfio_doctor.facts.images.command import ImageCommands
from vfio_doctor.facts.images.order import InitramfsOrder
from vfio_doctor.facts.images.own import OwnInitramfs
from vfio_doctor.facts.images.tool import BUILT_BY_HAND, ImageKind, ImageTool
from vfio_doctor.facts.kernel import KernelCmdline
from vfio_doctor.facts.module_config import ON_COMMAND_LINE, ModuleConfig
from vfio_doctor.facts.modules import BuiltinModules
from vfio_doctor.facts.pci.cards import WantedCards, held
from vfio_doctor.facts.pci.claims import BIND, VFIO_PCI, InstallScripts
from vfio_doctor.facts.pci.devices import PciDevices
from vfio_doctor.facts.pci.needs import HostNeeds
from vfio_doctor.facts.pci.refusals import refusals
from vfio_doctor.facts.pci.wanted import WantedDevices
from vfio_doctor.host.reader import Missing
from vfio_doctor.messages import say
from vfio_doctor.parse.modprobe import loads_itself
from vfio_doctor.parse.pci import module_of
from vfio_doctor.parse.vfio_ids import is_bus_address, parse_id
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.facts.pci.cards import Card
    from vfio_doctor.facts.pci.devices import PciDevice
    from vfio_doctor.model import Message
    from vfio_doctor.parse.cmdline import CommandLine

Pairs = tuple[tuple[str, str], ...]
# A name of another kind is no module's: it would be read as more words.
_NAME = re.compile(r"[0-9A-Za-z_-]+")
IDS = "vfio-pci.ids"
EARLY = ("rd.driver.pre", "vfio-pci")
EARLY_MODULES = ("vfio_pci", "vfio", "vfio_iommu_type1")
BINDING_FILE = "/etc/modprobe.d/vfio-doctor.conf"
# Run in place of loading vfio-pci, with what a shell has in itself: an image may hold
# no other program. The addresses stand in the kernel argument, so that an entry of the
# boot menu without it binds nothing.
INSTALL = (
    "install vfio-pci read -r l < /proc/cmdline; for w in $l; do case $w in"
    f" {BIND}=*) IFS=,; for d in ${{w#*=}}; do"
    " echo vfio-pci > /sys/bus/pci/devices/$d/driver_override; done;; esac; done;"
    " modprobe -i vfio-pci"
)
DRIVER_BUILT_IN = say(
    "bind-driver-built-in",
    "{driver}, which has {device}, is built into the kernel and comes before vfio-pci;"
    " let libvirt take it when the VM starts (managed='yes')",
)
LIST_TAKES = say(
    "bind-list-takes",
    "{source} gives vfio-pci {item}, which also stands for {other}, and the host needs"
    " that: {why}. Take it out there first",
)
TWIN_BUILT_IN = say(
    "bind-twin-built-in",
    "{ids} also stand for {other}, and a vfio-pci that is built into the kernel takes"
    " devices by their ids only",
)
TWIN_IN_IMAGE = say(
    "bind-twin-in-image",
    "{ids} also stand for {other}, so {device} has to be bound by its address; but the"
    " initramfs comes with the system's image: add to the image what binds it",
)
TWIN_BY_OVERLAY = say(
    "bind-twin-by-overlay",
    "{ids} also stand for {other}, so {device} has to be bound by its address, before"
    " the driver of both is loaded: in the initramfs. That comes with the system's"
    " image and does not see /etc/modprobe.d, and no repair changes that. By hand:"
    " write the line `{line}` to {path}, run `sudo rpm-ostree initramfs-etc"
    " --track={path}` and `sudo rpm-ostree kargs"
    " --append-if-missing=rd.driver.pre=vfio-pci`, and reboot; `sudo rpm-ostree"
    " rollback` brings back what was",
)
# In an image, modprobe has a shell run such a line.
BY_ADDRESS_LINE = (
    "install vfio-pci for d in {}; do"
    " echo vfio-pci > /sys/bus/pci/devices/$d/driver_override; done;"
    " modprobe -i vfio-pci"
)
TWIN_SCRIPT = say(
    "bind-twin-script",
    "{source} runs a command of its own in place of loading vfio-pci: have that bind"
    " {device} by its address",
)
OWN_COMMAND = say(
    "bind-own-command",
    "{source} runs a command in place of loading vfio-pci, and the initramfs does not"
    " hold {path}: loading vfio-pci fails there. Take the line out first, or have the"
    " image hold it",
)
# What such a script is for; of another one nothing is known.
PURPOSE = "driver_override"
NEVER_LOADS = say(
    "bind-own-command-never-loads",
    "{source} runs a command in place of loading vfio-pci that does not load it"
    " (`modprobe -i vfio-pci`). Take the line out first",
)
NOT_IN_IMAGE = say(
    "bind-image-lacks",
    "the initramfs of this system's image does not hold vfio-pci, and {tool} makes none"
    " on this machine. Let libvirt take the devices when the VM starts (managed='yes'),"
    " or build an image with `force_drivers` of dracut.conf(5)",
)
NIXOS = say(
    "bind-nixos",
    'in configuration.nix, set `boot.kernelParams = [ "{ids}" ];` and'
    ' `boot.initrd.kernelModules = [ "vfio_pci" "vfio" "vfio_iommu_type1" ];` before'
    " the graphics driver, then run `sudo nixos-rebuild boot` and reboot",
)
TWIN_BY_HAND = say(
    "bind-twin-by-hand",
    "{ids} also stand for {other}, so {device} has to be bound by its address: let"
    " libvirt take it when the VM starts (managed='yes'), or have the initramfs write"
    " vfio-pci to its driver_override before another driver is loaded",
)
BY_HAND = say(
    "bind-image-by-hand",
    "{tool} makes the initramfs, and no repair runs that. Set the kernel argument"
    " `{ids}`, write the lines {lines} to a file in /etc/modprobe.d, build the image"
    " anew, and reboot",
)
BY_HAND_WITH = say(
    "bind-image-by-hand-with",
    "{tool} makes the initramfs, and no repair runs that. Set the kernel argument"
    " `{ids}`, write the lines {lines} to a file in /etc/modprobe.d, build the image"
    " anew (`{command}`), and reboot",
)
SET_ALREADY = say(
    "bind-set-already", "it is set already; it takes effect at the next boot"
)


class Binding(NamedTuple):
    """What binds a card at boot.

    ``arguments`` are (key, item) of kernel arguments that hold lists, ``removed`` those
    that have to go: they stand for a device of the host's as well. ``lines`` go into
    `BINDING_FILE`. ``early``: the images have to load vfio-pci first.
    """

    card: Card
    arguments: Pairs
    lines: tuple[str, ...]
    early: bool
    removed: Pairs = ()

    @property
    def own_initramfs(self) -> bool:
        """Tell whether rpm-ostree makes the image: it loads vfio-pci, and no more."""
        return self.early and not self.lines and EARLY in self.arguments

    @property
    def by_address(self) -> bool:
        """Tell whether it is bound by address, since its ids stand for others too."""
        return self.arguments[0][0] == BIND


def binding(bdf: str, facts: Facts) -> Binding:
    """Return how; raise `CannotFix` if the host must keep it, or it cannot be done."""
    card = facts[WantedCards].of(bdf)
    assert card is not None, bdf
    for why in refusals(card, facts):
        raise CannotFix(why)
    _refuse_built_in(card, facts)
    made = _by_ids(card, facts)
    twins = tuple(twins_of(card, facts, made.arguments))
    if twins:
        made = _by_address(card, twins, facts)
    elif made.early:
        _refuse_own_command(facts)
    _refuse_if_set(made, facts)
    return made


def _refuse_built_in(card: Card, facts: Facts) -> None:
    for one in card.functions:
        if one.driver and not held(one) and _built_in(module_of(one.driver), facts):
            raise CannotFix(DRIVER_BUILT_IN.filled(driver=one.driver, device=one.bdf))


def _by_ids(card: Card, facts: Facts) -> Binding:
    """Return the ids as an argument: entries of the boot menu without it bind nothing.

    It replaces a list of modprobe.d's, so what stands there is in it as well.
    """
    given = _list(facts)
    own = [one.ids for one in card.functions]
    items = tuple(dict.fromkeys([*(item for item, _ in given), *own]))
    words = f"{IDS}={','.join(items)}"
    arguments = tuple((IDS, item) for item in items)
    if _built_in(VFIO_PCI, facts):
        return Binding(card, arguments, (), False)
    kind = facts[ImageTool].kind
    if kind is ImageKind.NIXOS or kind in BUILT_BY_HAND:
        _refuse_twin(card, facts, arguments)
    if kind is ImageKind.NIXOS:
        raise CannotFix(NIXOS.filled(ids=words))
    if kind is ImageKind.OSTREE:
        return Binding(card, (*arguments, EARLY), (), _own_initramfs(facts))
    if kind in BUILT_BY_HAND:
        raise CannotFix(_by_hand(kind, words, card, facts))
    return Binding(card, arguments, softdeps(card), True)


def _refuse_twin(card: Card, facts: Facts, arguments: Pairs) -> None:
    """Raise `CannotFix` if ids written by hand take a device of the host's."""
    for other, item in twins_of(card, facts, arguments):
        device = card.functions[0]
        said = {"ids": item, "other": other.bdf, "device": device.bdf}
        raise CannotFix(TWIN_BY_HAND.filled(**said))


def _by_hand(kind: ImageKind, words: str, card: Card, facts: Facts) -> Message:
    """Return what to do if the tool that makes the images is not run from here."""
    said = {"tool": kind.value, "ids": words}
    lines = softdeps(card)
    command = facts[ImageCommands].of(kind)
    if command:
        return BY_HAND_WITH.filled(**said, lines=lines, command=command)
    return BY_HAND.filled(**said, lines=lines)


def _own_initramfs(facts: Facts) -> bool:
    """Tell whether rpm-ostree has to make one, as the image's lacks vfio-pci."""
    if facts[ImageTool].ships_vfio:
        return False
    stack = facts[BootStack]
    if stack.kind is not BootKind.RPM_OSTREE:
        raise CannotFix(NOT_IN_IMAGE.filled(tool=stack.tool or "bootc"))
    return not facts[OwnInitramfs].loads(VFIO_PCI)


def _refuse_own_command(facts: Facts) -> None:
    """Raise `CannotFix` if what runs in place of vfio-pci fails in the initramfs."""
    for script in facts[InstallScripts].scripts:
        text = "" if isinstance(script.text, Missing) else script.text
        told = not script.path or PURPOSE in text
        if told and not loads_itself(f"{script.command}\n{text}"):
            raise CannotFix(NEVER_LOADS.filled(source=script.source))
        if script.path and not facts[InitramfsOrder].holds(script.path):
            said = OWN_COMMAND.filled(source=script.source, path=script.path)
            raise CannotFix(said)


def softdeps(card: Card) -> tuple[str, ...]:
    """Return the lines that have vfio-pci come before the card's drivers."""
    drivers = [one.driver for one in card.functions if one.driver and not held(one)]
    modules = dict.fromkeys(map(module_of, drivers))
    return tuple(f"softdep {m} pre: vfio-pci" for m in modules if _NAME.fullmatch(m))


def _list(facts: Facts) -> tuple[tuple[str, str], ...]:
    """Return (item, source) of the list that vfio-pci gets at the next boot."""
    for missing in facts[ModuleConfig].unread:
        raise CannotFix(missing.message, missing.why)
    given = facts[ModuleConfig].values(VFIO_PCI, "ids", _following(facts))
    last = given[-1] if given else None
    if last is None or not last.value:
        return ()
    source = str(last.source)
    items = last.value.split(",")
    return tuple(
        (item, source) for item in items if parse_id(item) and not is_bus_address(item)
    )


def _following(facts: Facts) -> CommandLine:
    try:
        line = facts[BootArguments].next
    except MissingFact:
        return facts[KernelCmdline].line
    return facts[KernelCmdline].line if isinstance(line, Missing) else line


def twins_of(
    card: Card, facts: Facts, arguments: Pairs
) -> Iterator[tuple[PciDevice, str]]:
    """Yield the devices of the host's that these ids take too, and the ids.

    What the list that is given takes, and the host can do without, was meant.
    """
    given = dict(_list(facts))
    for other in facts[PciDevices].devices:
        if other.bdf in card.addresses or held(other):
            continue
        claimed = facts[WantedDevices].of(other.bdf)
        meant = claimed is not None and claimed.standing
        needed = bool(facts[HostNeeds].of(other.bdf))
        for key, item in arguments:
            left_alone = item in given or meant
            if key == IDS and (needed or not left_alone) and _stands_for(item, other):
                yield other, item


def _refuse_list(twin: PciDevice, item: str, facts: Facts) -> None:
    """Raise `CannotFix` if a file gives these ids: only arguments are edited."""
    source = dict(_list(facts)).get(item, "")
    if source and source != str(ON_COMMAND_LINE):
        why = facts[HostNeeds].of(twin.bdf)[0].why
        said = LIST_TAKES.filled(source=source, item=item, other=twin.bdf, why=why)
        raise CannotFix(said)


def _stands_for(item: str, device: PciDevice) -> bool:
    pattern = parse_id(item)
    return pattern is not None and pattern.matches(
        device.vendor, device.device, device.subsystem, device.class_
    )


def _by_address(
    card: Card, twins: tuple[tuple[PciDevice, str], ...], facts: Facts
) -> Binding:
    first, other = card.functions[0].bdf, twins[0][0].bdf
    ids = tuple(dict.fromkeys(one.ids for one in card.functions))
    if _built_in(VFIO_PCI, facts):
        raise CannotFix(TWIN_BUILT_IN.filled(ids=ids, other=other))
    kind = facts[ImageTool].kind
    if kind is ImageKind.OSTREE:
        if facts[BootStack].kind is not BootKind.RPM_OSTREE:
            raise CannotFix(TWIN_IN_IMAGE.filled(ids=ids, other=other, device=first))
        line = BY_ADDRESS_LINE.format(" ".join(card.addresses))
        by_hand = TWIN_BY_OVERLAY.filled(
            line=line, path=BINDING_FILE, ids=ids, other=other, device=first
        )
        raise CannotFix(by_hand)
    for script in facts[InstallScripts].scripts:
        if script.command != INSTALL.removeprefix("install vfio-pci "):
            raise CannotFix(TWIN_SCRIPT.filled(source=script.source, device=first))
    for twin, item in twins:
        _refuse_list(twin, item, facts)
    given = dict(_list(facts))
    items = dict.fromkeys(item for _, item in twins if item in given)
    gone = tuple((IDS, item) for item in items)
    arguments = tuple((BIND, bdf) for bdf in card.addresses)
    return Binding(card, arguments, (INSTALL, *softdeps(card)), True, gone)


def _refuse_if_set(made: Binding, facts: Facts) -> None:
    """Raise `CannotFix` if the next boot gets all of it, and this one did not."""
    now, following = facts[KernelCmdline].line, _following(facts)
    if made.own_initramfs:
        return
    if _is_set(following, made) and not _is_set(now, made):
        raise CannotFix(SET_ALREADY)


def _is_set(line: CommandLine, made: Binding) -> bool:
    there = all(_has(line, pair) for pair in made.arguments)
    return there and not any(_has(line, pair) for pair in made.removed)


def _has(line: CommandLine, pair: tuple[str, str]) -> bool:
    values = line.values(pair[0])
    return bool(values) and pair[1] in (values[-1] or "").split(",")


def _built_in(module: str, facts: Facts) -> bool:
    try:
        return facts[BuiltinModules].has(module)
    except MissingFact:
        return False
