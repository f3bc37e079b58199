"""Settings of the module vfio-pci that do not do what they are there for."""

from __future__ import annotations

from vfio_doctor.api import (
    BuiltinModules,
    Check,
    CommandLine,
    Evidence,
    Facts,
    FilePlace,
    Finding,
    Generated,
    HostPlace,
    InitramfsModules,
    Iterator,
    KernelCmdline,
    KernelRelease,
    LoadedModules,
    MissingFact,
    ModuleConfig,
    NotApplicable,
    Severity,
    VfioIds,
    VfioSettings,
    WantedDevices,
    known,
    say,
)

VFIO_PCI = "vfio_pci"
NO_FILE = say("vfio-setting-none", "no file sets anything for vfio-pci")
UNREAD = say(
    "vfio-setting-unread", "{place} is meant for vfio-pci, but has no effect: {why}."
)
READ = say("vfio-setting-read", "a line `options vfio-pci ...` in a file *.conf")
WRITE = say(
    "vfio-setting-write",
    "Write it to a file whose name ends in .conf in /etc/modprobe.d, as `options"
    " vfio-pci ids=...`, and build the initramfs anew. Take care which ids you write:"
    " they stand for every device of the same model.",
)

WRITE_NIXOS = say(
    "vfio-setting-write-nixos",
    "In configuration.nix, put it into boot.kernelParams, as `vfio-pci.ids=...`, run"
    " `sudo nixos-rebuild boot`, and reboot. Take care which ids you write: they stand"
    " for every device of the same model.",
)


class VfioSettingUnread(Check):
    """A setting that is meant for vfio-pci is read by nothing.

    What it does:
    Looks in /etc/modprobe.d and beside it for lines about vfio-pci that modprobe
    skips: in a file whose name does not end in .conf, in a folder that nothing reads,
    with a misspelt first word (`option`), or without the module's name. Ids that stand
    in modules-load.d, where only names of modules count, are told as well.

    Why is this bad?
    The file looks right, and vfio-pci takes no device: it stays with its old driver.

    How it is repaired:
    By hand: correct the line, or the file's name.

    See it yourself:
        ls /etc/modprobe.d
        modprobe -c | grep vfio

    False alarms:
    Copies that editors and packages leave (.bak, .old, .orig, .disabled) are passed
    over, and so are comments. If vfio-pci gets ids from elsewhere, it is a note.
    """

    id = "vfio-setting-unread"
    severity = Severity.WARNING
    title = "A setting of vfio-pci is read by nothing"

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding a line or file."""
        notes, config = facts[VfioSettings].notes, facts[ModuleConfig]
        for hidden in facts[VfioSettings].unread:
            known(hidden)
        if not notes:
            for unread in config.unread:
                known(unread)
            facts[WantedDevices].demand()
            if not config.options:
                raise NotApplicable(NO_FILE)
        severity = Severity.INFO if facts[VfioIds].entries else None
        for note in notes:
            rows = (Evidence(str(note.place), note.text, READ),)
            message = UNREAD.filled(place=str(note.place), why=note.said)
            advice = facts[Generated].advice(WRITE_NIXOS, WRITE)
            yield Finding(note.place, message, rows, severity, advice)
        for unread in config.unread:
            known(unread)


BLACKLISTED = say(
    "vfio-module-blacklisted",
    "vfio-pci is kept from being loaded ({source}): nothing can take a device for a"
    " VM.",
)
NO_BLACKLIST = say("vfio-module-no-blacklist", "nothing about vfio-pci")
TAKE_OUT = say(
    "vfio-module-take-out",
    "Take it out there, and run `sudo modprobe vfio-pci`. If the initramfs holds a"
    " copy, build it anew.",
)


TAKE_OUT_ARGUMENT = say(
    "vfio-module-take-out-argument",
    "Take vfio-pci out of that kernel argument, and reboot: until then the kernel may"
    " refuse the module to `modprobe` too.",
)


class VfioModuleBlacklisted(Check):
    """The module vfio-pci is blacklisted.

    What it does:
    If a device is meant for a VM and vfio-pci is neither loaded nor built in, it looks
    for what keeps it from being loaded: `blacklist` and `install ... /bin/false` in
    modprobe.d, module_blacklist= and modprobe.blacklist= among the kernel arguments.

    Why is this bad?
    The VM does not start: "Failed to load PCI driver module vfio-pci:
    administratively prohibited".

    How it is repaired:
    By hand: take the line out.

    See it yourself:
        modprobe -c | grep vfio_pci
        cat /proc/cmdline

    False alarms:
    None are known.
    """

    id = "vfio-module-blacklisted"
    severity = Severity.ERROR
    title = "The module vfio-pci is blacklisted"

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding if something keeps it from being loaded."""
        facts[WantedDevices].demand()
        if _is_running(facts):
            return
        config, line = facts[ModuleConfig], facts[KernelCmdline].line
        source = config.blacklisted(VFIO_PCI, line)
        if source:
            message = BLACKLISTED.filled(source=source)
            rows = (Evidence(source, "vfio-pci", NO_BLACKLIST),)
            in_file = config.blacklisted(VFIO_PCI, CommandLine(()))
            advice = TAKE_OUT if in_file else TAKE_OUT_ARGUMENT
            yield Finding(HostPlace(), message, rows, None, advice)


def _is_running(facts: Facts) -> bool:
    if any(one.held for one in facts[WantedDevices].devices):
        return True
    if facts[LoadedModules].has(VFIO_PCI):
        return True
    try:
        return facts[BuiltinModules].has(VFIO_PCI)
    except MissingFact:
        return False


VIRQFD = "vfio_virqfd"
# The first kernel in which it is part of vfio.
MERGED = (6, 2)
STILL_APART = say(
    "vfio-virqfd-still-apart", "kernels before 6.2 have the module vfio_virqfd"
)
MERGED_SINCE = say(
    "vfio-virqfd-merged",
    "{path} names vfio_virqfd, which is a part of vfio since Linux 6.2: the initramfs"
    " is built with an error, or without a word about it.",
)
NOT_THERE = say("vfio-virqfd-gone", "vfio, vfio_iommu_type1 and vfio_pci are enough")
DROP = say("vfio-virqfd-drop", "Take the word vfio_virqfd out of {path}.")


class VfioVirqfdMerged(Check):
    """A file names the module vfio_virqfd, which no longer exists.

    What it does:
    Looks for vfio_virqfd in what mkinitcpio, dracut, initramfs-tools and systemd are
    told to load, if the running kernel is 6.2 or later.

    Why is this bad?
    mkinitcpio says "module not found: 'vfio_virqfd'" at every update, and you may take
    that for the fault. Nothing is missing otherwise.

    How it is repaired:
    By hand: take the word out.

    See it yourself:
        grep -rs vfio_virqfd /etc/mkinitcpio.conf /etc/dracut.conf.d /etc/modules-load.d

    False alarms:
    If you boot a kernel before 6.2 as well, it is needed there.
    """

    id = "vfio-virqfd-merged"
    severity = Severity.INFO
    title = "A file names a VFIO module that no longer exists"

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding a file."""
        facts[WantedDevices].demand()
        paths = [p for p, held in facts[ModuleConfig].lists if VIRQFD in held.modules]
        first = facts[InitramfsModules].source(VIRQFD)
        paths += [first] if first else []
        if _is_before_merge(facts):
            raise NotApplicable(STILL_APART)
        for path in paths:
            rows = (Evidence(path, VIRQFD, NOT_THERE),)
            message, advice = MERGED_SINCE.filled(path=path), DROP.filled(path=path)
            yield Finding(FilePlace(path), message, rows, None, advice)


def _is_before_merge(facts: Facts) -> bool:
    parts = facts[KernelRelease].release.split("-")[0].split(".")
    numbers = [int(part) for part in parts[:2] if part.isdigit()]
    return len(numbers) < 2 or tuple(numbers) < MERGED
