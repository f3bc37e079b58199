"""The host's own screen, and the cards that are meant for a VM."""

from __future__ import annotations

from vfio_doctor.api import (
    Actor,
    Check,
    ClaimKind,
    Connectors,
    DevicePlace,
    Evidence,
    Facts,
    Finding,
    HostNeeds,
    HostPlace,
    Iterator,
    PciDevice,
    PciDevices,
    ServedByWeb,
    Severity,
    StartedVms,
    Wanted,
    WantedDevices,
    known,
    say,
)

NO_CARD = say("vfio-display-none", "no graphics card is meant for a VM")
# What takes a card away from the host for good, or from the next boot on.
LASTING = frozenset(
    (
        *(ClaimKind.BOOT, ClaimKind.NEXT, ClaimKind.OVERRIDE),
        *(ClaimKind.UNMANAGED, ClaimKind.STUB),
    )
)
BOOT_CARD = say(
    "vfio-boot-card",
    "The firmware draws on {card}, which is meant for a VM: until its driver starts on"
    " {others}, the host shows nothing there, no boot menu and no question for a"
    " passphrase.",
)
OTHER_CARD = say("vfio-boot-card-another", "1 on the host's own card")
NO_SCREEN = say("vfio-boot-card-no-screen", "no display is connected")
SET_PRIMARY = say(
    "vfio-boot-card-primary",
    'Make {others} the primary display in the firmware setup ("Initial Display'
    ' Output", "Primary Display", "Init Display First"), or swap the cards.',
)


class VfioBootCard(Check):
    """The firmware draws on the card that is meant for a VM.

    What it does:
    Looks whether a graphics card on vfio-pci is the one that the firmware has chosen
    for the console (boot_vga) while the host has another card with a driver. It is
    an error if a display is connected there, and only a note if none is.

    Why is this bad?
    Firmware setup, boot menu, boot messages and the passphrase for the disk appear
    on the guest's card, or nowhere: vfio-pci has switched its picture off. The boot
    framebuffer may also hold the card's memory, and the guest stays black ("BAR 1:
    can't reserve").

    How it is repaired:
    In the firmware setup, by hand: make the other card the primary display.

    See it yourself:
        grep . /sys/bus/pci/devices/*/boot_vga

    False alarms:
    If the guest's card works, and you can do without the boot menu, leave it: skip
    this check with `--skip vfio-boot-card`.
    """

    id = "vfio-boot-card"
    severity = Severity.WARNING
    title = "The firmware draws on the card meant for a VM"

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding a card; unknown if boot_vga of a held one is."""
        cards = _cards(facts)
        held = [one.device for one in cards if one.held]
        others = [
            card
            for card in facts[PciDevices].displays
            if card.driver and card.bdf not in {c.device.bdf for c in cards}
        ]
        for card in held:
            if known(card.boot_vga) and others:
                yield _boot_card(card, others, facts[Connectors])
        facts[WantedDevices].all_seen()


def _cards(facts: Facts) -> tuple[Wanted, ...]:
    """Return the graphics cards that are meant for a VM."""
    wanted = facts[WantedDevices]
    wanted.demand()
    cards = tuple(one for one in wanted.devices if one.device.is_display)
    if not cards:
        wanted.none(NO_CARD)
    return cards


def _boot_card(
    card: PciDevice, others: list[PciDevice], screens: Connectors
) -> Finding:
    named = tuple(f"{other.bdf} ({other.driver})" for other in others)
    source = f"/sys/bus/pci/devices/{card.bdf}/boot_vga"
    rows = [Evidence(source, "1", OTHER_CARD)]
    severity = None
    if screens.missing is None:
        # Without a display nobody misses the boot menu.
        lit = [one.name for one in screens.found if one.connected]
        severity = Severity.ERROR if lit else Severity.INFO
        seen = ", ".join(lit) or NO_SCREEN
        rows.append(Evidence("/sys/class/drm/*/status", seen))
    return Finding(
        DevicePlace(card.bdf),
        BOOT_CARD.filled(card=card.bdf, others=named),
        tuple(rows),
        severity,
        SET_PRIMARY.filled(others=tuple(other.bdf for other in others)),
        Actor.FIRMWARE,
    )


ONLY = say(
    "vfio-only-card",
    "{cards} is the only graphics card, and it is meant for a VM: without it the host"
    " has no screen.",
)
ALL = say(
    "vfio-all-cards",
    "All graphics cards are meant for VMs ({cards}): none is left for the host's"
    " screen.",
)
TWINS = say(
    "vfio-twin-cards",
    "The same ids ({ids}) stand for {cards}: vfio-pci takes all graphics cards, the"
    " host's too.",
)
WHILE_RUNNING = say(
    "vfio-only-card-while-running",
    "{cards} is the only graphics card: while the VM runs, the host has no screen.",
)
FROM_BOOT = say(
    "vfio-only-card-from-boot",
    "{cards} is the only graphics card, and the host starts {vms} by itself, which gets"
    " it: from then on the host has no screen.",
)
LEFT = say("vfio-display-left", "a card that is not meant for a VM")
OTHER_WAY = say(
    "vfio-display-other-way",
    "Before you go on, make sure that you reach the host in another way (SSH), and keep"
    " a boot entry without these settings. For a screen of its own, give the host a"
    " second card, or switch the processor's graphics on in the firmware setup, if it"
    " has any.",
)
BY_ADDRESS = say(
    "vfio-display-by-address",
    "Bind the guest's card by its address (driver_override), not by ids. Until then"
    " take the ids out, before you reboot: the host comes up without a screen.",
)


class VfioDisplayLost(Check):
    """No graphics card is left for the host.

    What it does:
    Counts the graphics cards, and those that vfio-pci has or is to take. It also
    says if the ids of one card stand for its twin, or if the host starts the VM that
    gets the only card by itself.

    Why is this bad?
    The host's screen goes black, at the next boot or as soon as the VM starts, and
    stays so. What is then wrong can only be seen from another machine.

    How it is repaired:
    By hand: another card for the host, or the guest's card bound by its address if
    the two are alike. Always keep a boot entry that leaves the cards to the host.

    See it yourself:
        lspci -nnk -d ::0300
        lspci -nnk -d ::0302

    False alarms:
    A server that is reached over the network needs no screen, and giving the only
    card to a VM can be meant: skip this check with `--skip vfio-display-lost`.
    """

    id = "vfio-display-lost"
    severity = Severity.WARNING
    title = "No graphics card is left for the host"

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding if every card is meant for a VM."""
        cards = _cards(facts)
        wanted = {one.device.bdf for one in cards}
        facts[WantedDevices].all_seen()
        if all(card.bdf in wanted for card in facts[PciDevices].displays):
            yield _lost(cards, facts)
            facts[StartedVms].demand_seen()


def _lost(cards: tuple[Wanted, ...], facts: Facts) -> Finding:
    named = tuple(one.device.bdf for one in cards)
    rows = tuple(
        Evidence(claim.source, claim.word, LEFT)
        for one in cards
        for claim in one.claims[:1]
    )
    place, lasting = HostPlace(), all(one.held or _is_lasting(one) for one in cards)
    if not lasting:
        vms = facts[StartedVms].having(named[0])
        if len(cards) == 1 and vms:
            message = FROM_BOOT.filled(cards=named, vms=vms)
            return Finding(place, message, rows, None, OTHER_WAY)
        text = WHILE_RUNNING if len(cards) == 1 else ALL
        message = text.filled(cards=named)
        return Finding(place, message, rows, Severity.INFO, OTHER_WAY)
    ids = tuple(dict.fromkeys(one.device.ids for one in cards))
    coming = any(not one.held and facts[HostNeeds].of(one.device.bdf) for one in cards)
    severity = Severity.ERROR if coming else None
    if len(cards) > 1 and len(ids) == 1 and all(map(_is_by_ids, cards)):
        message = TWINS.filled(ids=ids, cards=named)
        return Finding(place, message, rows, severity, BY_ADDRESS)
    message = (ONLY if len(cards) == 1 else ALL).filled(cards=named)
    if all(one.held for one in cards) and facts[ServedByWeb].found:
        severity = Severity.INFO
    return Finding(place, message, rows, severity, OTHER_WAY)


def _is_lasting(one: Wanted) -> bool:
    return bool(one.kinds & LASTING)


def _is_by_ids(one: Wanted) -> bool:
    return any(claim.pattern is not None for claim in one.claims)
