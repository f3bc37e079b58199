"""Give a card to vfio-pci at boot."""

from __future__ import annotations

from vfio_doctor.api import (
    BINDING_FILE,
    EARLY_MODULES,
    RECORD,
    Applicability,
    Binding,
    CannotFix,
    Change,
    ClaimKind,
    DevicePlace,
    EditLine,
    Facts,
    Finding,
    Fix,
    HostNeeds,
    InstallScripts,
    Iterator,
    KernelArguments,
    LoadModule,
    Message,
    ProbeDriver,
    RebuildImages,
    Terms,
    Wanted,
    WantedDevices,
    binding,
    in_order,
    loads_itself,
    recorded,
    say,
)

NEVER_PROBED = "vfio-not-bound-never-probed"
# Nothing is done; why not, these findings say themselves.
STAYS = frozenset(
    ("vfio-asked-stays", "vfio-asked-unsure", "vfio-not-bound-given-elsewhere")
)
PROBED = say(
    "probe-device", "Have vfio-pci take {device}, which its driver_override names, now"
)
KEPT = say("probe-host-needs", "the host needs {device}, or may: {why}")
NO_GROUP = say("probe-no-group", "{device} has no IOMMU group: no VM can get it")
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

SCRIPT = say(
    "bind-card-script",
    "modprobe runs {path} in place of loading vfio-pci ({source}): until that can be"
    " run, and ends with `modprobe -i vfio-pci`, nothing binds the device.",
)


OWN_INITRAMFS = say(
    "bind-card-own-initramfs",
    "The initramfs of the system's image lacks vfio-pci, so rpm-ostree makes another on"
    " this machine, here and with every update. `bootc upgrade` refuses such a system:"
    " update it with `rpm-ostree upgrade`.",
)


class ProbeOverridden(Fix):
    """Has the kernel look for a driver of a device whose driver_override is set.

    vfio-pci then takes it, at once. What sets driver_override at boot has to ask for
    that too: the finding says how. Declined if the host may need the device.
    """

    id = "probe-overridden"
    solves = ("vfio-not-bound",)
    summary = "Have vfio-pci take the device that its driver_override names"

    def propose(self, finding: Finding, facts: Facts) -> Iterator[Change | Terms]:
        """Yield the loading, if it takes one, and the question to the kernel."""
        wanted = _wanted(finding, facts)
        if wanted is None or finding.message.id != NEVER_PROBED:
            return
        device = wanted.device
        for need in facts[HostNeeds].of(device.bdf):
            raise CannotFix(KEPT.filled(device=device.bdf, why=need.why))
        if device.group is None:
            raise CannotFix(NO_GROUP.filled(device=device.bdf))
        yield Terms(PROBED.filled(device=device.bdf))
        yield LoadModule("vfio-pci")
        yield ProbeDriver(device.bdf, "vfio-pci")


def _wanted(finding: Finding, facts: Facts) -> Wanted | None:
    match finding.place:
        case DevicePlace(bdf):
            return facts[WantedDevices].of(bdf)
    return None


class BindCard(Fix):
    """Gives all functions of a card to vfio-pci at boot.

    The ids become a kernel argument, `vfio-pci.ids`, which entries of the boot menu
    that stay as they are do not have. softdep lines in
    `/etc/modprobe.d/vfio-doctor.conf`, and initramfs images that load vfio-pci first,
    let it come before other drivers. The images of all kernels are made with the
    host's own tool, and read back. On an image-based system whose initramfs lacks
    vfio-pci, rpm-ostree makes one on this machine (`rpm-ostree initramfs`). If the
    host has a twin of the card, it is bound by its addresses. The groups are recorded
    in `/var/lib/vfio-doctor/groups`, so that a kernel which moves them is seen.
    Declined if the host needs the card, or what shares its group.
    """

    id = "bind-card"
    solves = ("vfio-not-bound",)
    applicability = Applicability.RISKY
    summary = "Bind a card to vfio-pci at the next boot"
    reboot = True

    def propose(self, finding: Finding, facts: Facts) -> Iterator[Change | Terms]:
        """Yield the arguments, the lines and the images; nothing if a VM binds it."""
        wanted = _wanted(finding, facts)
        if wanted is None or finding.message.id in {NEVER_PROBED, *STAYS}:
            return
        if not (wanted.standing or ClaimKind.ASKED in wanted.kinds):
            return
        made = binding(wanted.device.bdf, facts)
        if facts.options.bind and not _is_named(made, facts):
            return
        terms = _terms(made, facts[HostNeeds])
        idle = _idle_script(facts)
        yield terms._replace(may_be_lost=in_order(terms.may_be_lost, idle))
        yield KernelArguments(add_items=made.arguments, remove_items=made.removed)
        for line in made.lines:
            yield EditLine(BINDING_FILE, "", line)
        if made.early:
            files = (BINDING_FILE,) if made.lines else ()
            yield RebuildImages(EARLY_MODULES, files)
        for line in recorded(made.card.functions, facts):
            yield EditLine(RECORD, "", line)


def _is_named(made: Binding, facts: Facts) -> bool:
    """Tell whether the card is one that this set-up is for."""
    found = (facts[WantedDevices].of(bdf) for bdf in made.card.addresses)
    return any(one is not None and ClaimKind.SETUP in one.kinds for one in found)


def _idle_script(facts: Facts) -> Message | None:
    """Return that vfio-pci is not loaded as long as a script is as it is."""
    for one in facts[InstallScripts].scripts:
        if not isinstance(one.text, str) or not one.path:
            continue
        if not one.is_executable or not loads_itself(f"{one.command} {one.text}"):
            return SCRIPT.filled(path=one.path, source=one.source)
    return None


def _terms(made: Binding, needs: HostNeeds) -> Terms:
    devices = made.card.addresses
    summary = (BY_ADDRESS if made.by_address else BY_IDS).filled(devices=devices)
    kept: dict[Message, None] = {
        NEED.filled(device=need.bdf, why=need.why): None
        for need in needs.needs
        if need.sure
    }
    lost = LOSES.filled(devices=devices)
    if kept:
        lost = KEEPS.filled(needs=tuple(kept), devices=devices)
    if made.own_initramfs:
        lost = in_order(lost, OWN_INITRAMFS)
    return Terms(summary, None, lost)
