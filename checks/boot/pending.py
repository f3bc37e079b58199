"""Checks of what is configured and not yet booted."""

from __future__ import annotations

from vfio_doctor.api import (
    BootArguments,
    BootKind,
    BootStack,
    Check,
    ClaimKind,
    CommandLine,
    Evidence,
    Facts,
    FilePlace,
    Finding,
    GrubFile,
    HostNeeds,
    HostPlace,
    Iterator,
    MenuMaker,
    Message,
    Missing,
    MissingFact,
    Severity,
    WantedDevices,
    Why,
    known,
    say,
)

BOOTED = "/proc/cmdline"

# Parameters whose change is this tool's business; root= and the like are not.
OURS = (
    "iommu",
    "intel_iommu",
    "amd_iommu",
    "amd_iommu_intr",
    "intremap",
    "nointremap",
    "pcie_acs_override",
    "modprobe.blacklist",
    "module_blacklist",
    "modules_load",
    "rd.modules_load",
    "initcall_blacklist",
    "split_lock_detect",
    "video",
    "lockdown",
    "nomodeset",
    "hugepages",
    "hugepagesz",
    "default_hugepagesz",
    "isolcpus",
    "pcie_aspm",
    "pcie_port_pm",
    "pci",
)
PREFIXES = ("iommu.", "kvm.", "kvm_intel.", "kvm_amd.", "kvmfr.", "vfio", "rd.driver.")
# A word without its quotes, in the spelling that compares equal; as it stands.
Word = tuple[tuple[str, str | None], str]


def is_ours(key: str) -> bool:
    """Tell whether a parameter concerns passthrough, KVM or kvmfr."""
    plain = key.replace("-", "_")
    return plain in OURS or plain.startswith(PREFIXES)


NONE = say("pending-none-of-these", "none of these")
ADDS = say("pending-adds", "adds {gained}")
LOSES = say("pending-loses", "no longer has {lost}")
ADDS_AND_LOSES = say("pending-adds-and-loses", "adds {gained} and no longer has {lost}")
NEXT_BOOT = say("pending-next-boot", "The next boot {change}.")
STAGED = say("pending-deployment-staged", "a deployment is staged")
REBOOT = say(
    "pending-reboot",
    "Reboot the computer when it suits you; on an image-based system before the next"
    " update, which may drop the change.",
)
HOLD = say(
    "pending-hold-reboot",
    "Do not reboot yet: the next boot would give {devices} to vfio-pci, and the host"
    " needs what it would lose. First follow the advice under vfio-device-busy.",
)
CONFIGURED = say(
    "pending-configured",
    "Compared with the running kernel, the configuration {change}.",
)
UNREAD = say("pending-evidence-next-boot", "next boot")
RUN_AS_ROOT = say(
    "pending-run-as-root",
    "Run vfio-doctor as root to see whether the next boot gets it; if so, reboot the"
    " computer.",
)
THERE, GONE = say("pending-mark-there", "there"), say("pending-mark-absent", "absent")
UPDATE = say(
    "pending-update-staged",
    "An update of the system is staged; the next boot starts it.",
)
REBOOT_INTO_UPDATE = say(
    "pending-reboot-into-update",
    "Reboot the computer when it suits you. The kernel arguments of the update are the"
    " same as now.",
)
NOT_REGENERATED = say(
    "pending-menu-not-regenerated",
    "{source} was changed, but the boot menu was not regenerated from it: it {change}.",
)
UNTOLD = say(
    "pending-untold",
    "No file tells whether the next boot gets it: run the boot tool if you have not run"
    " it since the change, then reboot the computer.",
)
UNTOLD_MENU = say(
    "pending-untold-menu",
    "No file tells whether the next boot gets it: run {command} if you have not run it"
    " since the change, then reboot the computer.",
)
UNTOLD_PROXMOX = say(
    "pending-untold-proxmox",
    "No file tells whether the next boot gets it: run `sudo proxmox-boot-tool refresh`"
    " if you have not run it since the change, then reboot the computer.",
)
RUN = say("pending-menu-command", "`sudo {tool}`")
RUN_FOR = say("pending-menu-command-output", "`sudo {tool} {option} {path}`")
REGENERATE_BY = say(
    "pending-regenerate-menu-by",
    "Run {command}, which makes the boot menu anew, then reboot the computer.",
)
REGENERATE = say(
    "pending-regenerate-menu",
    "Regenerate the boot menu (`sudo update-grub`, `sudo grub-mkconfig -o"
    " /boot/grub/grub.cfg` or `sudo limine-update`, whichever your system has), then"
    " reboot the computer.",
)
LATER_KERNELS = say(
    "pending-later-kernels",
    "Kernels installed later are not started like this one: {source} {change}.",
)
MAKE_EQUAL = say(
    "pending-make-equal",
    "Nothing is wrong until the next kernel is installed. Put into {source} what the"
    " boot entry has, or the other way round, whichever you want.",
)


class RebootPending(Check):
    """What is set for the next boot is not active yet.

    What it does:
    Compares the arguments of the running kernel with those the next boot will
    get, and those with what the boot tool is configured to write, for
    passthrough, KVM and kvmfr only. On image-based systems it looks for a staged
    deployment too.

    Why is this bad?
    It is not a fault: it is the state between setting and rebooting. But while
    it lasts, everything that rests on those arguments looks broken, and most long
    support threads come from it. If a boot menu was not regenerated from its
    configuration, a reboot alone changes nothing.

    How it is repaired:
    Reboot the computer. If only the configuration has changed, run the boot tool
    first: the finding names it.

    See it yourself:
        cat /proc/cmdline
        rpm-ostree kargs
        sudo grubby --info=DEFAULT

    False alarms:
    Arguments given once in the boot menu are in no configuration; they go away
    with the next boot, which is what this check then says.
    """

    id = "reboot-pending"
    severity = Severity.INFO
    title = "A reboot is pending"

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding for the next boot, one for what is only configured."""
        boot = facts[BootArguments]
        now = _ours(boot.now)
        (line, source), *_ = boot.candidates()
        then = _ours(line)
        changed = _keys(now) != _keys(then)
        broken = facts[BootStack].kind is BootKind.GRUB and facts[GrubFile].faults
        if broken:
            # What such a file sets is not what the next boot gets.
            known(boot.next)
        if changed and isinstance(boot.next, Missing):
            yield _configured(now, then, source, boot.next, facts)
        elif changed:
            staged = "" if boot.unseen else boot.staged
            yield _difference(now, then, source, staged, facts)
        elif boot.unseen:
            known(boot.unseen)
        elif boot.staged:
            rows = (Evidence(boot.staged, THERE, GONE),)
            yield Finding(HostPlace(), UPDATE, rows, None, REBOOT_INTO_UPDATE)
        known(boot.next)
        if isinstance(boot.configured, Missing):
            # A file that would have to be run is no reading that was refused.
            if boot.configured.why is not Why.FAILED:
                known(boot.configured)
            return
        if broken:
            return
        wanted = _ours(boot.configured)
        if _keys(wanted) != _keys(then):
            yield _not_made(then, wanted, boot, facts)


def _ours(line: CommandLine) -> tuple[Word, ...]:
    """Return the words that matter, sorted, each with what is compared of it."""
    found = [
        ((argument.key.replace("-", "_"), argument.value), argument.raw)
        for argument in line.arguments
        if is_ours(argument.key)
    ]
    return tuple(sorted(found, key=lambda word: (word[0][0], word[0][1] or "")))


def _keys(words: tuple[Word, ...]) -> list[tuple[str, str | None]]:
    return [key for key, _ in words]


def _without(words: tuple[Word, ...], others: tuple[Word, ...]) -> str:
    left = _keys(others)
    found: list[str] = []
    for key, raw in words:
        if key in left:
            left.remove(key)
        else:
            found.append(raw)
    return " ".join(found)


def _row(source: str, words: tuple[Word, ...]) -> Evidence:
    return Evidence(source, " ".join(raw for _, raw in words) or NONE)


def _change(old: tuple[Word, ...], new: tuple[Word, ...]) -> Message:
    """Return the clause that names what comes and what goes."""
    gained, lost = _without(new, old), _without(old, new)
    if not lost:
        return ADDS.filled(gained=gained)
    if not gained:
        return LOSES.filled(lost=lost)
    return ADDS_AND_LOSES.filled(gained=gained, lost=lost)


def _difference(
    now: tuple[Word, ...],
    then: tuple[Word, ...],
    source: str,
    staged: str,
    facts: Facts,
) -> Finding:
    rows = [_row(BOOTED, now), _row(source, then)]
    if staged:
        rows.append(Evidence(staged, STAGED))
    message = NEXT_BOOT.filled(change=_change(now, then))
    taken = _taken(facts) if "vfio" in _without(then, now) else ()
    advice = HOLD.filled(devices=taken) if taken else REBOOT
    return Finding(HostPlace(), message, tuple(rows), None, advice)


def _taken(facts: Facts) -> tuple[str, ...]:
    """Return what vfio-pci takes from the next boot on though the host needs it.

    A card is left out: to be without a screen may be meant.
    """
    try:
        return tuple(
            one.device.bdf
            for one in facts[WantedDevices].devices
            if ClaimKind.NEXT in one.kinds
            and not one.held
            and one.device.driver
            and not one.device.is_display
            and any(need.sure for need in facts[HostNeeds].of(one.device.bdf))
        )
    except MissingFact:
        return ()


def _configured(
    now: tuple[Word, ...],
    then: tuple[Word, ...],
    source: str,
    why: Missing,
    facts: Facts,
) -> Finding:
    """Return the finding if only the configuration could be read."""
    rows = (_row(BOOTED, now), _row(source, then), Evidence(UNREAD, why.message))
    message = CONFIGURED.filled(change=_change(now, then))
    advice = RUN_AS_ROOT if why.why is Why.DENIED else _untold(facts)
    return Finding(HostPlace(), message, rows, None, advice)


def _not_made(
    then: tuple[Word, ...],
    wanted: tuple[Word, ...],
    boot: BootArguments,
    facts: Facts,
) -> Finding:
    """Return the finding for a configuration that the next boot does not get."""
    source, change = boot.configured_source, _change(then, wanted)
    rows = (_row(source, wanted), _row(boot.next_source, then))
    menu = facts[BootStack].kind in (BootKind.GRUB, BootKind.LIMINE)
    text = NOT_REGENERATED if menu else LATER_KERNELS
    return Finding(
        FilePlace(boot.configured_in[0]),
        text.filled(source=source, change=change),
        rows,
        Severity.WARNING if menu else None,
        _regenerate(facts) if menu else MAKE_EQUAL.filled(source=source),
    )


def _untold(facts: Facts) -> Message:
    if facts[BootStack].kind is BootKind.PROXMOX:
        return UNTOLD_PROXMOX
    command = _menu_command(facts)
    return UNTOLD_MENU.filled(command=command) if command else UNTOLD


def _regenerate(facts: Facts) -> Message:
    """Return the advice to run this host's own command, as far as it is known."""
    command = _menu_command(facts)
    return REGENERATE_BY.filled(command=command) if command else REGENERATE


def _menu_command(facts: Facts) -> Message | None:
    match facts[MenuMaker].command:
        case (tool,):
            return RUN.filled(tool=tool)
        case (tool, option, path):
            return RUN_FOR.filled(tool=tool, option=option, path=path)
    return None
