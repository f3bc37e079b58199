"""A host made ready for passing devices on, where nothing says which."""

from __future__ import annotations

from vfio_doctor.api import (
    AcpiTables,
    BuiltinModules,
    Check,
    Evidence,
    Facts,
    Finding,
    HostPlace,
    Iommu,
    Iterator,
    KernelCmdline,
    LookingGlassGuest,
    Message,
    MissingFact,
    NotApplicable,
    PciDevice,
    PciDevices,
    Severity,
    WantedDevices,
    Why,
    in_order,
    say,
)

NVIDIA = "nvidia"
# What people give the kernel who mean to pass a device to a VM.
ASKING = {"intel_iommu": ("on",), "amd_iommu": ("on",), "iommu": ("pt", "on")}
NOT_ASKED = say("vfio-unnamed-not-asked", "no kernel argument asks for the IOMMU")
NAMED = say("vfio-unnamed-named", "a device is named for a VM")
NOT_CAPTURED = say(
    "vfio-unnamed-not-captured", "the capture holds no devices: it was not made for any"
)
NO_TABLE = say("vfio-unnamed-no-table", "no DMAR, no IVRS")
TABLES = "/sys/firmware/acpi/tables"
ONE = say(
    "vfio-unnamed-one-card",
    "{card} is the only graphics card of this host: while a VM has it, the host has no"
    " screen.",
)
ALL_NVIDIA = say(
    "vfio-unnamed-nvidia",
    "Nothing names a device for a VM, and the driver nvidia has all graphics cards"
    " ({cards}): a desktop on one has the others open as well, and taking one away"
    " while the host runs then hangs.",
)
SECOND = say(
    "vfio-unnamed-second-card",
    "To pass a card on, give the host a second one, or switch the processor's graphics"
    " on in the firmware setup, if it has any; else reach the host over SSH.",
)
AT_BOOT = say(
    "vfio-unnamed-at-boot",
    "Have vfio-pci take the guest's card at boot, before anybody opens it: `sudo"
    " vfio-doctor setup passthrough` asks which one, and shows a plan first.",
)
BUILT_IN = say(
    "vfio-unnamed-built-in",
    "vfio-pci is built into this kernel, so that a line in modprobe.d does nothing: it"
    " takes the kernel argument vfio-pci.ids.",
)


class VfioNothingNamed(Check):
    """The IOMMU was asked for, and nothing says which device a VM is to get.

    What it does:
    If a kernel argument asks for the IOMMU (intel_iommu=on, amd_iommu=on, iommu=pt),
    or if the firmware offers none, and no device is named for a VM anywhere, it
    counts the graphics cards. It notes that there is only one, or that the driver
    nvidia has all of them.

    Why is this bad?
    A card that is bound at the start of a VM has to be taken from its driver. With
    the only card that ends the desktop. nvidia holds all of its cards open, so
    `virsh nodedev-detach` hangs until the host is rebooted.

    How it is repaired:
    By hand: name the card, so that vfio-pci takes it at boot. `vfio-doctor setup
    passthrough` makes the plan.

    See it yourself:
        cat /proc/cmdline
        lspci -nnk -d ::0300

    False alarms:
    Who never meant to pass a graphics card on can leave this note alone. It is one
    of the few that say what would happen, not what is wrong.
    """

    id = "vfio-nothing-named"
    severity = Severity.INFO
    title = "Nothing names the card for a VM"

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one note if there is one card, or nvidia has them all."""
        facts[LookingGlassGuest].demand_host()
        sign = _sign(facts)
        wanted = facts[WantedDevices]
        if wanted.devices or wanted.lost:
            raise NotApplicable(NAMED)
        wanted.all_seen()
        cards = _cards(facts)
        if len(cards) == 1 and cards[0].driver:
            yield _note(ONE.filled(card=cards[0].bdf), cards, sign, SECOND)
        elif len(cards) > 1 and all(card.driver == NVIDIA for card in cards):
            text = ALL_NVIDIA.filled(cards=tuple(card.bdf for card in cards))
            advice = in_order(AT_BOOT, BUILT_IN if _is_built_in(facts) else None)
            yield _note(text, cards, sign, advice)


def _cards(facts: Facts) -> tuple[PciDevice, ...]:
    """Return the graphics cards; a capture may be made for something else."""
    try:
        return facts[PciDevices].displays
    except MissingFact as missing:
        if missing.why is Why.NOT_CAPTURED:
            raise NotApplicable(NOT_CAPTURED) from missing
        raise


def _sign(facts: Facts) -> Evidence:
    """Return what shows that devices are to be passed on."""
    line = facts[KernelCmdline]
    for argument in line.line.arguments:
        if any(item in ASKING.get(argument.key, ()) for item in argument.items):
            return Evidence(line.source, argument.raw)
    if facts[Iommu].on:
        raise NotApplicable(NOT_ASKED)
    tables = facts[AcpiTables]
    if tables.dmar or tables.ivrs or tables.viot:
        raise NotApplicable(NOT_ASKED)
    return Evidence(TABLES, NO_TABLE)


def _note(
    text: Message, cards: tuple[PciDevice, ...], sign: Evidence, advice: Message
) -> Finding:
    rows = tuple(
        Evidence(f"/sys/bus/pci/devices/{card.bdf}/driver", card.driver)
        for card in cards
    )
    return Finding(HostPlace(), text, (sign, *rows), None, advice)


def _is_built_in(facts: Facts) -> bool:
    try:
        return facts[BuiltinModules].has("vfio_pci")
    except MissingFact:
        return False
