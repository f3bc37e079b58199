"""Checks of what is configured and not yet booted."""

from __future__ import annotations

from vfio_doctor.api import (
    Actor,
    BootArguments,
    Check,
    Evidence,
    Facts,
    Finding,
    Iterator,
    Missing,
    NotApplicable,
    Severity,
    known,
)

# Parameters whose change is this tool's business; root= and the like are not.
OURS = (
    "iommu",
    "intel_iommu",
    "amd_iommu",
    "intremap",
    "nointremap",
    "pcie_acs_override",
)
PREFIXES = ("kvm.", "kvm_intel.", "kvm_amd.", "kvmfr.", "vfio", "rd.driver.")
ALSO = ("modprobe.blacklist", "module_blacklist", "split_lock_detect", "video")


def is_ours(key: str) -> bool:
    """Tell whether a parameter concerns passthrough, KVM or kvmfr."""
    plain = key.replace("-", "_")
    return plain in OURS or plain in ALSO or plain.startswith(PREFIXES)


class RebootPending(Check):
    """Kernel arguments are set for the next boot and not yet active.

    What it does:
    Compares the arguments of the running kernel with those the next boot will
    get, and of GRUB's menu with its configuration, for passthrough, KVM and
    kvmfr only.

    Why is this bad?
    It is not a fault: it is the state between setting and rebooting. But while it
    lasts, everything that rests on those arguments looks broken, and most long
    support threads come from it. On image-based hosts an update before the reboot
    can drop them again.

    How it is repaired:
    Restart the computer. Where only the configuration has changed, run the boot
    tool first: the finding names it.

    See it yourself:
        cat /proc/cmdline
        rpm-ostree kargs
        sudo grubby --info=DEFAULT

    False alarms:
    Arguments given once in the boot menu are not in any configuration; they go
    away with the next boot, which is what this check then says.
    """

    id = "reboot-pending"
    severity = Severity.INFO
    title = "kernel arguments wait for a reboot"
    needs = (BootArguments,)

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding for the next boot, one for what is only configured."""
        boot = facts[BootArguments]
        if isinstance(boot.next, Missing) and isinstance(boot.configured, Missing):
            known(boot.next)
        now = _ours(boot.now.words)
        if not isinstance(boot.next, Missing):
            yield from _difference(now, _ours(boot.next.words), boot.next_source)
            if isinstance(boot.configured, Missing):
                return
            then, configured = _ours(boot.next.words), _ours(boot.configured.words)
            if boot.configured_source != boot.next_source and configured != then:
                yield _not_made(then, configured, boot.configured_source)
            return
        if isinstance(boot.configured, Missing):
            raise NotApplicable("no configuration of kernel arguments was found")
        configured = _ours(boot.configured.words)
        yield from _difference(now, configured, boot.configured_source)


def _ours(words: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(w for w in words if is_ours(w.partition("=")[0])))


def _changes(old: tuple[str, ...], new: tuple[str, ...]) -> tuple[str, str]:
    gained = " ".join(word for word in new if word not in old)
    lost = " ".join(word for word in old if word not in new)
    return gained, lost


def _difference(
    now: tuple[str, ...], then: tuple[str, ...], source: str
) -> Iterator[Finding]:
    gained, lost = _changes(now, then)
    if not gained and not lost:
        return
    said = []
    if gained:
        said.append("the next boot adds {gained}")
    if lost:
        said.append("the next boot no longer has {lost}")
    template = " and ".join(said)
    yield Finding(
        "host",
        f"{template[0].upper()}{template[1:]}.",
        (("gained", gained), ("lost", lost)),
        (
            Evidence("/proc/cmdline", " ".join(now) or "none of these"),
            Evidence(source, " ".join(then) or "none of these"),
        ),
        advice="Restart the computer; on an image-based system before the next update.",
        who_acts=Actor.USER,
    )


def _not_made(
    then: tuple[str, ...], configured: tuple[str, ...], source: str
) -> Finding:
    gained, lost = _changes(then, configured)
    return Finding(
        source,
        "{source} was changed, but the boot menu was not made from it: {words} differ.",
        (("source", source), ("words", f"{gained} {lost}".strip())),
        (
            Evidence(source, " ".join(configured) or "none of these"),
            Evidence("boot menu", " ".join(then) or "none of these"),
        ),
        advice="Make the menu anew (Debian, Ubuntu: `sudo update-grub`), then restart "
        "the computer.",
        who_acts=Actor.USER,
    )
