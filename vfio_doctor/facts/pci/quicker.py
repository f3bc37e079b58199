"""What gets a device from the driver that came before vfio-pci."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.base import MissingFact
from vfio_doctor.facts.images.command import image_command
from vfio_doctor.facts.images.initramfs import InitramfsModules
from vfio_doctor.facts.images.late import LateImage, StaleImage
from vfio_doctor.facts.images.tool import ImageKind, ImageTool
from vfio_doctor.facts.kernel import KernelCmdline
from vfio_doctor.facts.module_config import ETC_MODULES, ModuleConfig
from vfio_doctor.facts.modules import BuiltinModules
from vfio_doctor.facts.pci.chipset import is_infrastructure
from vfio_doctor.facts.pci.claims import UNRAID, ClaimKind
from vfio_doctor.facts.pci.devices import PciDevices
from vfio_doctor.facts.pci.groups import same_card
from vfio_doctor.facts.pci.needs import HostNeeds, Need
from vfio_doctor.facts.pci.overrides import WRITERS, EmptyOverrides, have_effect
from vfio_doctor.facts.pci.scripts import idle_script
from vfio_doctor.facts.pci.wanted import WantedDevices
from vfio_doctor.messages import in_order, say
from vfio_doctor.parse.pci import module_of

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.facts.images.late import LateReason
    from vfio_doctor.facts.pci.claims import Claim
    from vfio_doctor.facts.pci.devices import PciDevice
    from vfio_doctor.facts.pci.wanted import Wanted
    from vfio_doctor.model import Message
    from vfio_doctor.parse.vfio_ids import IdPattern

VFIO_PCI = "vfio-pci"
NAME_IDS = say(
    "vfio-not-bound-bind",
    "Name its ids in `vfio-pci.ids=`, a kernel argument, and reboot.",
)
NEEDED = say(
    "vfio-not-bound-needed",
    "Do not give it away: {why}. Take it out of {source}; if its ids are those of"
    " another device too, bind that one by its address.",
)
OF_CHIPSET = say(
    "vfio-not-bound-of-chipset",
    "Do not give it away: it is a function of the chipset that the host needs. Take it"
    " out of {source}.",
)
CARD_NEEDED = say(
    "vfio-not-bound-card-needed",
    "Do not give it away: it is of one card with {main}, and {why}. Take it out of"
    " {source}; if its ids are those of another device too, bind that one by its"
    " address.",
)
NAMES_ONLY = say(
    "vfio-not-bound-names-only",
    "Of {source} only the names of modules are read, so vfio-pci has no ids. Write"
    " `options vfio-pci ids={ids}`, with all functions of the card, to a file in"
    " /etc/modprobe.d, build the initramfs anew, and reboot.",
)
MAY_BE_NEEDED = say(
    "vfio-not-bound-may-be-needed",
    "First make sure that the host can do without: {why}.",
)
UNBIND = say(
    "vfio-not-bound-unbind",
    "{driver} had it before driver_override was written, which takes nothing from a"
    " driver. Run `sudo modprobe vfio-pci`, `echo {bdf} | sudo tee"
    " /sys/bus/pci/devices/{bdf}/driver/unbind` and `echo {bdf} | sudo tee"
    " /sys/bus/pci/drivers_probe`. For every boot, `sudo driverctl set-override {bdf}"
    " vfio-pci` does all of it.",
)
NOT_WRITTEN = say(
    "vfio-not-bound-not-written",
    "Nothing has written vfio-pci to its driver_override: {source} had no effect.",
)
MANAGE = say(
    "vfio-not-bound-manage",
    "Let libvirt take it when the VM starts: set managed='yes' at its <hostdev>"
    " (`virsh edit`). Or have vfio-pci take it at boot, with its ids in"
    " `vfio-pci.ids=`.",
)
BY_SCRIPT = say(
    "vfio-not-bound-by-script",
    "{path}, which is to bind it by its address, does not run in time: do what"
    " vfio-script-idle advises.",
)
WITH_CARD = say(
    "vfio-not-bound-with-card",
    "It is of one card with {main}: the change to the image that is advised there gets"
    " both.",
)
SOFTDEP_THERE = say(
    "vfio-not-bound-softdep-there",
    "{driver} came first, though {source} has vfio-pci loaded before it: the initramfs"
    " does not hold that line. Build it anew, and reboot.",
)
SOFTDEP_THERE_BY = say(
    "vfio-not-bound-softdep-there-by",
    "{driver} came first, though {source} has vfio-pci loaded before it: the initramfs"
    " does not hold that line. Build it anew (`{command}`), and reboot.",
)
SOFTDEP_BY = say(
    "vfio-not-bound-softdep-by",
    "{driver} came first. Write `softdep {module} pre: vfio-pci` to a file in"
    " /etc/modprobe.d, build the initramfs anew (`{command}`), and reboot.",
)
SOFTDEP = say(
    "vfio-not-bound-softdep",
    "{driver} came first. Write `softdep {module} pre: vfio-pci` to a file in"
    " /etc/modprobe.d, build the initramfs anew, and reboot.",
)
ONE_OF_SEVERAL = say(
    "vfio-not-bound-one-of-several",
    "{item} also stands for {others}, and the host may need one of these. Take it out"
    " of {source}. Bind only what the VM gets, by its address: let libvirt do so when"
    " the VM starts (managed='yes'), or run `sudo driverctl set-override ADDRESS"
    " vfio-pci`.",
)
UNSEEN = say(
    "vfio-not-bound-image-unseen",
    "Whether the present initramfs holds {path} is not known: neither its date nor a"
    " list of what it holds was seen.",
)
BUILT_IN = say(
    "vfio-not-bound-driver-built-in",
    "{driver} is built into the kernel and always comes first. Bind {bdf} by its"
    " address: have the initramfs write vfio-pci to its driver_override, unbind it and"
    " write its address to drivers_probe.",
)
VFIO_BUILT_IN = say(
    "vfio-not-bound-vfio-built-in",
    "vfio-pci is built into this kernel, so modprobe.d is not asked. Use the kernel"
    " argument `vfio-pci.ids={ids}`, and reboot.",
)
OTHER_THEN = say(
    "vfio-not-bound-other-then",
    "{bdf} was {then} when it was chosen, and is {now} now, so Unraid leaves it alone:"
    " addresses change if a card is added or moved. Choose the device anew in Tools >"
    " System Devices, and reboot.",
)
IDLE_ARGUMENT = say(
    "vfio-not-bound-idle-argument",
    "{argument} means nothing here: it is for dracut, and this initramfs is made with"
    " {tool}.",
)


def freed(one: Wanted, claim: Claim, facts: Facts) -> Message:
    """Return how vfio-pci gets it, or why the host keeps it."""
    return (
        by_script(claim, facts)
        or _by_address(one, claim, facts)
        or _overriding(one, facts)
        or _cure(one, claim, facts)
    )


def by_script(claim: Claim, facts: Facts) -> Message | None:
    """Return that a script is to bind it, and that another finding tells why not."""
    path = idle_script(claim.source, facts)
    return BY_SCRIPT.filled(path=path) if path else None


def late_image(one: Wanted, claim: Claim, facts: Facts) -> LateReason | None:
    """Return what in the initramfs lets a graphics driver come first, if it tells."""
    late = facts[LateImage].reason if claim.pattern is not None else None
    return late if late and one.device.driver in late.drivers else None


def _overriding(one: Wanted, facts: Facts) -> Message | None:
    """Return what gets it from its driver, if driver_override is to do that."""
    device, needs = one.device, facts[HostNeeds].of(one.device.bdf)
    if any(need.sure for need in needs):
        return None
    cure = not_written(one, facts)
    if ClaimKind.OVERRIDE in one.kinds:
        cure = UNBIND.filled(driver=device.driver, bdf=device.bdf)
    doubt = MAY_BE_NEEDED.filled(why=needs[0].why) if needs else None
    return in_order(doubt, cure) if cure else None


def not_written(one: Wanted, facts: Facts) -> Message | None:
    """Return why driver_override is empty, and what makes its writer run."""
    path = writer(one, facts)
    if not path:
        return None
    cure = have_effect(path, one.device.bdf)
    return in_order(NOT_WRITTEN.filled(source=path), cure)


def writer(one: Wanted, facts: Facts) -> str:
    """Return the file that is to write driver_override, "" if it need not have.

    What modprobe.d runs waits for vfio-pci to be loaded: that is another fault.
    """
    if one.device.bdf not in facts[EmptyOverrides].addresses:
        return ""
    sources = (claim.source for claim in one.claims if claim.kind is ClaimKind.BOOT)
    return next((s for s in sources if s.startswith(WRITERS)), "")


def _by_address(one: Wanted, claim: Claim, facts: Facts) -> Message | None:
    """Return that ids take too much, if the host may need what else they stand for."""
    pattern, needs, own = claim.pattern, facts[HostNeeds], one.device.bdf
    if pattern is None or claim.kind is not ClaimKind.BOOT:
        return None
    if any(need.sure for need in needs.of(own)):
        return None
    alike = [d for d in facts[PciDevices].devices if _stands_for(pattern, d)]
    others = tuple(d.bdf for d in alike if d.bdf != own)
    if _of_card(one.device, facts) is not None:
        return None
    held = any(needs.of(d.bdf) or _of_card(d, facts) for d in alike)
    if not (others and (held or _takes_all_cards(one.device, facts))):
        return None
    return ONE_OF_SEVERAL.filled(item=pattern.text, others=others, source=claim.source)


def _takes_all_cards(device: PciDevice, facts: Facts) -> bool:
    """Tell whether it is of a graphics card, and VMs are to get every one of them."""
    cards = facts[PciDevices].displays
    own = any(d.bdf == device.bdf or same_card(d, device) for d in cards)
    return own and all(facts[WantedDevices].of(d.bdf) for d in cards)


def _stands_for(pattern: IdPattern, device: PciDevice) -> bool:
    return pattern.matches(
        device.vendor, device.device, device.subsystem, device.class_
    )


def _cure(one: Wanted, claim: Claim, facts: Facts) -> Message:
    device = one.device
    if is_infrastructure(device):
        return OF_CHIPSET.filled(source=claim.source)
    needs = facts[HostNeeds].of(device.bdf)
    for need in needs:
        if need.sure:
            return NEEDED.filled(why=need.why, source=claim.source)
    of_card = _of_card(device, facts)
    if of_card is not None:
        named = {"main": of_card.bdf, "source": claim.source}
        return CARD_NEEDED.filled(why=of_card.why, **named)
    doubt = MAY_BE_NEEDED.filled(why=needs[0].why) if needs else None
    if one.kinds == {ClaimKind.SETUP}:
        return in_order(doubt, NAME_IDS)
    return in_order(doubt, _earlier(device, claim, facts), _idle(facts))


def _of_card(device: PciDevice, facts: Facts) -> Need | None:
    """Return why the host surely needs another function of the same card."""
    card = (d.bdf for d in facts[PciDevices].devices if same_card(d, device))
    needs = (need for bdf in card for need in facts[HostNeeds].of(bdf))
    return next((need for need in needs if need.sure), None)


def _is_unread(claim: Claim, facts: Facts) -> bool:
    """Tell whether a list of modules is read by what takes their names only."""
    lists = [path for path, _ in facts[ModuleConfig].lists]
    return claim.source == ETC_MODULES and ETC_MODULES not in lists


def _earlier(device: PciDevice, claim: Claim, facts: Facts) -> Message:
    """Return how vfio-pci gets it before the driver that has it."""
    if claim.kind is ClaimKind.UNMANAGED:
        return MANAGE
    if _is_unread(claim, facts):
        return NAMES_ONLY.filled(source=claim.source, ids=device.ids)
    # To be loaded first helps nothing that is not bound by ids.
    written = None if claim.pattern else have_effect(claim.source, device.bdf)
    then = claim.word.partition("|")[2].lower()
    if claim.source == UNRAID and then and then != device.ids:
        return OTHER_THEN.filled(bdf=device.bdf, then=then, now=device.ids)
    if written is not None:
        return written
    if "modprobe.d" in claim.source and _is_built_in(VFIO_PCI, facts):
        return VFIO_BUILT_IN.filled(ids=_whole_list(device, claim, facts))
    return _by_image(device, claim, facts) or _by_order(device, claim, facts)


def _by_image(device: PciDevice, claim: Claim, facts: Facts) -> Message | None:
    """Return the change to the image that lets vfio-pci come first, if it tells."""
    late = facts[LateImage].reason if claim.pattern is not None else None
    if late is None:
        return None
    if late.any_driver or device.driver in late.drivers:
        return late.cure
    main = (d for d in facts[PciDevices].displays if same_card(d, device))
    card = next((d for d in main if d.driver in late.drivers), None)
    claimed = facts[WantedDevices].of(card.bdf) if card else None
    if claimed is None or all(c.pattern is None for c in claimed.claims):
        return None
    return WITH_CARD.filled(main=claimed.device.bdf)


def _by_order(device: PciDevice, claim: Claim, facts: Facts) -> Message:
    """Return the line that has vfio-pci loaded first, or why it had no effect."""
    driver, module = device.driver, module_of(device.driver)
    if _is_built_in(module, facts):
        return BUILT_IN.filled(driver=driver, bdf=device.bdf)
    command, unseen = image_command(facts), facts[StaleImage].unseen
    pulling = dict(facts[ModuleConfig].pulled_in_by(VFIO_PCI))
    by = {"command": command} if command else {}
    nixos = ImageKind.NIXOS in facts[ImageTool].kinds
    if module in pulling and not nixos:
        text = SOFTDEP_THERE_BY if command else SOFTDEP_THERE
        return text.filled(driver=driver, source=pulling[module], **by)
    text = SOFTDEP_BY if command else SOFTDEP
    return in_order(
        text.filled(driver=driver, module=module, **by),
        UNSEEN.filled(path=unseen) if claim.source.startswith(unseen or "-") else None,
    )


def _whole_list(device: PciDevice, claim: Claim, facts: Facts) -> str:
    """Return all ids of one list, and the card's: a second list replaces the first."""
    found = facts[PciDevices].devices
    given = (c for one in facts[WantedDevices].devices for c in one.claims)
    listed = [c.pattern.text for c in given if c.pattern and c.source == claim.source]
    card = [d.ids for d in found if d.bdf == device.bdf or same_card(d, device)]
    return ",".join(dict.fromkeys([*listed, *card]))


def _is_built_in(module: str, facts: Facts) -> bool:
    try:
        return facts[BuiltinModules].has(module)
    except MissingFact:
        return False


def _idle(facts: Facts) -> Message | None:
    """Return that rd.driver.pre does nothing, if the initramfs is not dracut's."""
    tool = _tool(facts)
    try:
        words = facts[KernelCmdline].line.words
    except MissingFact:
        return None
    said = [w for w in words if w.startswith("rd.driver.pre=") and "vfio" in w]
    if not (tool and said):
        return None
    return IDLE_ARGUMENT.filled(argument=said[0], tool=tool)


def _tool(facts: Facts) -> str:
    try:
        source = facts[InitramfsModules].source(VFIO_PCI) or ""
    except MissingFact:
        return ""
    tools = ("mkinitcpio", "initramfs-tools")
    return next((tool for tool in tools if tool in source), "")
