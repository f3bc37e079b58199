"""Checks of what is configured and not yet booted."""

from __future__ import annotations

from vfio_doctor.api import (
    Actor,
    BootArguments,
    BootKind,
    BootStack,
    Check,
    CommandLine,
    Evidence,
    Facts,
    Finding,
    Iterator,
    Missing,
    Severity,
    old_finding,
)

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
RESTART = (
    "Restart the computer when it suits you; on an image-based system before the next"
    " update, which may drop it."
)
MENU = (
    "Make the boot menu anew (`sudo update-grub`, `sudo grub-mkconfig -o"
    " /boot/grub/grub.cfg` or `sudo limine-update`, whichever your system has), then"
    " restart the computer."
)
LATER = (
    "Nothing is wrong until the next kernel is installed. Put into {source} what the"
    " boot entry has, or the other way round, whichever you want."
)


def is_ours(key: str) -> bool:
    """Tell whether a parameter concerns passthrough, KVM or kvmfr."""
    plain = key.replace("-", "_")
    return plain in OURS or plain.startswith(PREFIXES)


class RebootPending(Check):
    """What is set for the next boot is not active yet.

    What it does:
    Compares the arguments of the running kernel with those the next boot will
    get, and those with what the boot tool is configured to write, for
    passthrough, KVM and kvmfr only. On image-based systems it looks for a staged
    deployment too.

    Why is this bad?
    It is not a fault: it is the state between setting and restarting. But while
    it lasts, everything that rests on those arguments looks broken, and most long
    support threads come from it. Where a boot menu was not made from its
    configuration, a restart alone changes nothing.

    How it is repaired:
    Restart the computer. Where only the configuration has changed, run the boot
    tool first: the finding names it.

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
    title = "A restart is pending"

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding for the next boot, one for what is only configured."""
        boot, kind = facts[BootArguments], facts[BootStack].kind
        now = _ours(boot.now)
        (line, source), *_ = boot.candidates()
        then = _ours(line)
        changed = _keys(now) != _keys(then)
        if changed and isinstance(boot.next, Missing):
            yield _configured(now, then, source, boot.next)
        elif changed:
            yield _difference(now, then, source, boot.staged)
        elif boot.staged:
            yield _staged(boot.staged)
        if not isinstance(boot.next, Missing) and not isinstance(
            boot.configured, Missing
        ):
            wanted = _ours(boot.configured)
            if _keys(wanted) != _keys(then):
                sources = (boot.configured_source, boot.next_source)
                yield _not_made(then, wanted, sources, kind)


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


def _said(words: tuple[Word, ...]) -> str:
    return " ".join(raw for _, raw in words) or "none of these"


def _changes(old: tuple[Word, ...], new: tuple[Word, ...]) -> tuple[str, str, str]:
    """Return (gained, lost, a clause that names both)."""
    gained, lost = _without(new, old), _without(old, new)
    parts = [f"adds {gained}"] if gained else []
    parts += [f"no longer has {lost}"] if lost else []
    return gained, lost, " and ".join(parts)


def _difference(
    now: tuple[Word, ...], then: tuple[Word, ...], source: str, staged: str
) -> Finding:
    gained, lost, said = _changes(now, then)
    rows = [Evidence("/proc/cmdline", _said(now)), Evidence(source, _said(then))]
    if staged:
        rows.append(Evidence(staged, "a deployment is staged"))
    return old_finding(
        "host",
        "The next boot {said}.",
        (("said", said), ("gained", gained), ("lost", lost)),
        tuple(rows),
        advice=RESTART,
    )


def _configured(
    now: tuple[Word, ...], then: tuple[Word, ...], source: str, why: Missing
) -> Finding:
    """Return the finding where only the configuration could be read."""
    gained, lost, said = _changes(now, then)
    return old_finding(
        "host",
        "Against the running kernel, the configuration {said}.",
        (("said", said), ("gained", gained), ("lost", lost)),
        (
            Evidence("/proc/cmdline", _said(now)),
            Evidence(source, _said(then)),
            Evidence("next boot", str(why)),
        ),
        advice="Run vfio-doctor as root to see whether the next boot gets it; if so,"
        " restart the computer.",
    )


def _staged(mark: str) -> Finding:
    return old_finding(
        "host",
        "An update of the system is staged; the next boot starts it.",
        (),
        (Evidence(mark, "there", "absent"),),
        advice="Restart the computer when it suits you. Its kernel arguments are the"
        " same as now.",
    )


def _not_made(
    then: tuple[Word, ...],
    wanted: tuple[Word, ...],
    sources: tuple[str, str],
    kind: BootKind,
) -> Finding:
    """Return the finding for a configuration that the next boot does not get."""
    gained, lost, said = _changes(then, wanted)
    source, entry = sources
    params = (("source", source), ("said", said), ("gained", gained), ("lost", lost))
    rows = (Evidence(source, _said(wanted)), Evidence(entry, _said(then)))
    if kind in (BootKind.GRUB, BootKind.LIMINE):
        text = (
            "{source} was changed, but the boot menu was not made from it: it {said}."
        )
        return old_finding(
            source, text, params, rows, Severity.WARNING, MENU, Actor.USER
        )
    text = "Kernels installed later are not started like this one: {source} {said}."
    return old_finding(source, text, params, rows, None, LATER.format(source=source))
