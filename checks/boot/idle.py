"""Kernel arguments that stand where no boot of this machine reads them."""

from __future__ import annotations

from vfio_doctor.api import (
    BootArguments,
    BootKind,
    Check,
    Evidence,
    Facts,
    FilePlace,
    Finding,
    HostNeeds,
    IdleLoaders,
    IdleWords,
    Iommu,
    Iterator,
    Message,
    MissingFact,
    NotApplicable,
    PciDevice,
    PciDevices,
    Severity,
    known,
    parse_ids,
    say,
    way_to_set,
)

BOOTED = "/proc/cmdline"
GRUB_FILES = "/etc/default/grub"
IDS = ("vfio_pci.ids", "vfio.pci.ids", "vfio_pci_ids")
# What somebody writes for passthrough; the rest of the line is not this tool's.
OURS = ("vfio", "rd.driver.pre", "kvm.", "kvmfr.", "pcie_acs_override")
SWITCHES = ("intel_iommu", "amd_iommu", "iommu", "iommu.passthrough")
UNTOLD = say("idle-loader-untold", "no file of another loader can be meant here")
IDLE = say(
    "idle-loader-arguments",
    "{path} has {words}, but it is not read when this machine boots: {tool} starts it,"
    " and neither the running kernel nor the next boot has these arguments.",
)
NOT_IN_ENTRIES = say(
    "idle-loader-not-in-entries",
    "{path} has {words}, and neither the running kernel nor the next boot has these"
    " arguments: the entries of this boot menu do not follow that file.",
)
ABSENT = say("idle-loader-absent", "none of these")
MOVE = say(
    "idle-loader-move",
    "Set them where {tool} takes its kernel arguments from, and reboot. If you meant to"
    " boot with another loader, choose it in the firmware setup.",
)
NEEDED = say(
    "idle-loader-needed",
    "Do not set them as they stand: they would give {device} to vfio-pci, and {why}.",
)
LAST_SCREEN = say(
    "idle-loader-last-screen",
    "Do not set them as they stand: they would give {device} to vfio-pci, and the host"
    " has no other graphics card.",
)


class ArgumentsForAnotherLoader(Check):
    """Kernel arguments for passthrough stand in the file of another boot loader.

    What it does:
    Finds out what starts this machine, and looks into the files of the other boot
    loaders (GRUB, systemd-boot, limine, syslinux, rEFInd, kernelstub). It reports
    arguments for passthrough there that neither the running kernel nor the next boot
    has.

    Why is this bad?
    The file looks right, and nothing reads it. Guides name one loader, and the
    machine may have another: Proxmox with ZFS is started by systemd-boot, image-based
    Fedora takes nothing from /etc/default/grub, Unraid 7.2 and later come with limine.

    How it is repaired:
    By hand: set the arguments where the loader that starts the machine reads them.

    See it yourself:
        cat /proc/cmdline
        bootctl status
        grep -r vfio /boot/syslinux /boot/limine.conf /etc/default/grub /etc/kernel

    False alarms:
    A file of another system on the same disk is passed over if it names another root.
    Only root sees the EFI partition on most hosts: without root it is left out.
    If you mean to boot with the other loader next time, its arguments come then.
    """

    id = "arguments-for-another-loader"
    severity = Severity.WARNING
    title = "Kernel arguments stand in the file of another boot loader"

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding a file."""
        loaders = facts[IdleLoaders]
        if not loaders.tool:
            for unread in loaders.unread:
                known(unread)
            known(facts[BootArguments].next)
            raise NotApplicable(UNTOLD)
        told: set[str] = set()
        for one in loaders.found:
            words = tuple(a.raw for a in one.words if _is_ours(a.key))
            if words and one.path not in told:
                told.add(one.path)
                yield _idle(one, words, loaders.tool, facts)
        for unread in loaders.unread:
            known(unread)


def _key(key: str) -> str:
    return key.replace("-", "_")


def _is_ours(key: str) -> bool:
    return _key(key).startswith(OURS) or _key(key) in SWITCHES


def _idle(one: IdleWords, words: tuple[str, ...], tool: str, facts: Facts) -> Finding:
    rows = (Evidence(one.path, " ".join(words)), Evidence(BOOTED, ABSENT))
    message = IDLE.filled(path=one.path, words=words, tool=tool)
    move = _move(words, tool, facts)
    if tool == BootKind.GRUBBY.value and one.path.startswith(GRUB_FILES):
        message = NOT_IN_ENTRIES.filled(path=one.path, words=words)
    severity = Severity.INFO if _is_idle_anyway(one, facts) else None
    advice = _kept(one, facts) or move
    return Finding(FilePlace(one.path), message, rows, severity, advice)


def _move(words: tuple[str, ...], tool: str, facts: Facts) -> Message:
    """Return how these words are set where they are read."""
    kind = next(kind for kind in BootKind if kind.value == tool)
    return way_to_set(words, kind, facts) or MOVE.filled(tool=tool)


def _is_idle_anyway(one: IdleWords, facts: Facts) -> bool:
    """Tell whether only an IOMMU is switched on that is on by itself."""
    only = all(_key(a.key) in SWITCHES for a in one.words if _is_ours(a.key))
    try:
        return only and facts[Iommu].on
    except MissingFact:
        return False


def _kept(one: IdleWords, facts: Facts) -> Message | None:
    """Return why the ids must not be set: the host needs what they stand for."""
    patterns = [
        pattern
        for argument in one.words
        if _key(argument.key) in IDS
        for pattern in parse_ids(argument.value or "")[0]
    ]
    try:
        devices = facts[PciDevices].devices
    except MissingFact:
        return None
    taken = [
        d
        for d in devices
        if any(p.matches(d.vendor, d.device, d.subsystem, d.class_) for p in patterns)
    ]
    return _why(taken, facts) if taken else None


def _why(taken: list[PciDevice], facts: Facts) -> Message | None:
    own = {device.bdf for device in taken}
    screens = facts[PciDevices].displays
    for device in taken:
        if device.is_display:
            if all(screen.bdf in own for screen in screens):
                return LAST_SCREEN.filled(device=device.bdf)
            continue
        for need in facts[HostNeeds].of(device.bdf):
            if need.sure:
                return NEEDED.filled(device=device.bdf, why=need.why)
    return None
