"""What stands in the way of giving away a device that is only asked about."""

from __future__ import annotations

from vfio_doctor.api import (
    ClaimKind,
    DevicePlace,
    Evidence,
    Facts,
    Finding,
    Iterator,
    Message,
    PciDevice,
    Severity,
    WantedCards,
    WantedDevices,
    refusals,
    say,
)

VFIO_PCI = "vfio-pci"
STAYS = say(
    "vfio-asked-stays",
    "{devices} cannot be given to a VM as things are: {reasons}.",
)
UNSURE = say(
    "vfio-asked-unsure",
    "Nobody can tell from here whether {devices} can be given to a VM: {reasons}.",
)
DOUBTS = frozenset(("bind-may-be-needed", "bind-shared-may-need"))
FREE = say(
    "vfio-asked-free",
    "{devices} could be given to a VM: {driver} has {bdf} now, and nothing that was"
    " seen binds it at boot.",
)
IDLE = say(
    "vfio-asked-idle",
    "{devices} could be given to a VM: {bdf} has no driver, and nothing that was seen"
    " binds it at boot.",
)
NONE = say("vfio-asked-none", "none")
ELSEWHERE = say(
    "vfio-asked-elsewhere",
    "`vfio-doctor devices` shows what is free.",
)
AT_BOOT = say(
    "vfio-asked-at-boot",
    "Have vfio-pci take the whole card at boot, before anybody opens it: `sudo"
    " vfio-doctor setup passthrough --device {bdf}` shows a plan, and asks first.",
)
MANAGED = say(
    "vfio-asked-managed",
    "Let libvirt take it when the VM starts (a <hostdev managed='yes'> for each"
    " function), or have it bound at boot.",
)


def asked(facts: Facts) -> Iterator[Finding]:
    """Yield a note for each card that nothing but the command line names."""
    told: set[str] = set()
    for one in facts[WantedDevices].devices:
        device = one.device
        if one.kinds != {ClaimKind.ASKED} or device.bdf in told:
            continue
        card = facts[WantedCards].of(device.bdf)
        addresses = card.addresses if card and card.functions else (device.bdf,)
        told.update(addresses)
        reasons = tuple(refusals(card, facts)) if card else ()
        path = f"/sys/bus/pci/devices/{device.bdf}/driver"
        row = Evidence(path, device.driver or NONE, VFIO_PCI)
        if reasons:
            sure = any(reason.id not in DOUBTS for reason in reasons)
            text = (STAYS if sure else UNSURE).filled(
                devices=addresses, reasons=reasons
            )
            yield _note(device, text, row, ELSEWHERE)
            continue
        text = IDLE.filled(devices=addresses, bdf=device.bdf)
        if device.driver:
            driver = device.driver
            text = FREE.filled(devices=addresses, bdf=device.bdf, driver=driver)
        # A graphics driver often does not let go of a card while the host runs.
        advice = AT_BOOT.filled(bdf=device.bdf) if device.is_display else MANAGED
        yield _note(device, text, row, advice)


def _note(device: PciDevice, text: Message, row: Evidence, advice: Message) -> Finding:
    # Who only asks about a device has not set anything up wrongly.
    return Finding(DevicePlace(device.bdf), text, (row,), Severity.INFO, advice)
