"""Kernel arguments that stand where no boot of this machine reads them."""

from __future__ import annotations

from vfio_doctor.api import (
    BootArguments,
    BootKind,
    BootStack,
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
GRUBBY = say(
    "idle-loader-grubby",
    "Run `sudo grubby --update-kernel=ALL --args={words}`, and reboot.",
)
ABSENT = say("idle-loader-absent", "none of these")
MOVE = say(
    "idle-loader-move",
    "Set them where {tool} takes its kernel arguments from, and reboot. If you meant to"
    " boot with another loader, choose it in the firmware setup.",
)
# How they are set with what starts the machine, if that has one way only.
WAYS = {
    BootKind.KERNELSTUB: say(
        "idle-loader-kernelstub",
        "Run `sudo kernelstub -a {words}`, and reboot.",
    ),
    BootKind.RPM_OSTREE: say(
        "idle-loader-rpm-ostree",
        "Add {words} with `sudo rpm-ostree kargs`, one --append-if-missing= for each in"
        " one call, and reboot.",
    ),
    BootKind.GRUB: say(
        "idle-loader-grub",
        "Add `{words}` to GRUB_CMDLINE_LINUX_DEFAULT in /etc/default/grub, regenerate"
        " the boot menu (`sudo update-grub`, or `sudo grub-mkconfig -o"
        " /boot/grub/grub.cfg`), and reboot.",
    ),
    BootKind.SYSTEMD_BOOT: say(
        "idle-loader-systemd-boot",
        "Add `{words}` to the options line of the entry that is booted, and to"
        " /etc/kernel/cmdline if that is there, which new kernels have theirs from;"
        " then reboot.",
    ),
}
PROXMOX_LINE = say(
    "idle-loader-proxmox-line",
    "Add `{words}` to the one line of /etc/kernel/cmdline, run `sudo proxmox-boot-tool"
    " refresh`, and reboot.",
)
PROXMOX_GRUB = say(
    "idle-loader-proxmox-grub",
    "Add `{words}` to GRUB_CMDLINE_LINUX_DEFAULT in /etc/default/grub, run `sudo"
    " proxmox-boot-tool refresh`, and reboot.",
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
        move = GRUBBY.filled(words=" ".join(words))
    severity = Severity.INFO if _is_idle_anyway(one, facts) else None
    advice = _kept(one, facts) or move
    return Finding(FilePlace(one.path), message, rows, severity, advice)


def _move(words: tuple[str, ...], tool: str, facts: Facts) -> Message:
    """Return how these words are set where they are read."""
    line = " ".join(words)
    if facts[BootStack].kind is BootKind.PROXMOX:
        grub = tool == BootKind.GRUB.value
        return (PROXMOX_GRUB if grub else PROXMOX_LINE).filled(words=line)
    way = next((way for kind, way in WAYS.items() if kind.value == tool), None)
    if way is None:
        return MOVE.filled(tool=tool)
    return way.filled(words=words if tool == BootKind.RPM_OSTREE.value else line)


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
