"""Give a card to vfio-pci at boot."""

from __future__ import annotations

from vfio_doctor.api import (
    BINDING_FILE,
    EARLY_MODULES,
    Applicability,
    Binding,
    Change,
    ClaimKind,
    DevicePlace,
    EditLine,
    Facts,
    Finding,
    Fix,
    HostNeeds,
    Iterator,
    KernelArguments,
    Message,
    RebuildImages,
    Terms,
    WantedDevices,
    binding,
    say,
)

BY_IDS = say("bind-card-by-ids", "Bind {devices} to vfio-pci at the next boot, by ids")
BY_ADDRESS = say(
    "bind-card-by-address",
    "Bind {devices} to vfio-pci at the next boot, by address, since the host has"
    " another device with the same ids",
)
NEED = say("bind-card-need", "{device} ({why})")
KEEPS = say(
    "bind-card-keeps",
    "The host keeps what it needs: {needs}. It can no longer use {devices}.",
)
LOSES = say(
    "bind-card-loses",
    "The host can no longer use {devices}. Make sure yourself that it can do without.",
)


class BindCard(Fix):
    """Gives all functions of a card to vfio-pci at boot.

    The ids become a kernel argument, `vfio-pci.ids`, which entries of the boot menu
    that stay as they are do not have. softdep lines in
    `/etc/modprobe.d/vfio-doctor.conf`, and initramfs images that load vfio-pci first,
    let it come before other drivers. The images of all kernels are made with the
    host's own tool, and read back. If the host has a twin of the card, it is bound by
    its addresses. Declined if the host needs the card, or what shares its group.
    """

    id = "bind-card"
    solves = ("vfio-not-bound",)
    applicability = Applicability.RISKY
    summary = "Bind a card to vfio-pci at the next boot"
    reboot = True

    def propose(self, finding: Finding, facts: Facts) -> Iterator[Change | Terms]:
        """Yield the arguments, the lines and the images; nothing if a VM binds it."""
        match finding.place:
            case DevicePlace(bdf):
                wanted = facts[WantedDevices].of(bdf)
            case _:
                return
        asked = wanted is not None and ClaimKind.ASKED in wanted.kinds
        if wanted is None or not (wanted.standing or asked):
            return
        made = binding(bdf, facts)
        yield _terms(made, facts[HostNeeds])
        yield KernelArguments(add_items=made.arguments, remove_items=made.removed)
        for line in made.lines:
            yield EditLine(BINDING_FILE, "", line)
        if made.early:
            files = (BINDING_FILE,) if made.lines else ()
            yield RebuildImages(EARLY_MODULES, files)


def _terms(made: Binding, needs: HostNeeds) -> Terms:
    devices = made.card.addresses
    summary = (BY_ADDRESS if made.by_address else BY_IDS).filled(devices=devices)
    kept: dict[Message, None] = {
        NEED.filled(device=need.bdf, why=need.why): None
        for need in needs.needs
        if need.sure
    }
    if not kept:
        return Terms(summary, None, LOSES.filled(devices=devices))
    lost = KEEPS.filled(needs=tuple(kept), devices=devices)
    return Terms(summary, None, lost)
