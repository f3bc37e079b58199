"""Kernels that are known to fail at passthrough, and what the IOMMU has refused."""

from __future__ import annotations

from vfio_doctor.api import (
    ArgumentPlace,
    Check,
    Conclusion,
    DevicePlace,
    Evidence,
    Facts,
    Finding,
    HostPlace,
    Iterator,
    KernelCmdline,
    KernelRelease,
    Message,
    NotApplicable,
    PciDevices,
    Severity,
    WantedDevices,
    acs_overrides,
    captured_log,
    say,
)

Version = tuple[int, int, int]
NO_RESET = say(
    "vfio-kernel-regression-no-reset",
    "devices are left without any reset, so a VM's card works once and then hangs until"
    " the host is rebooted",
)
# First and last point release with the fault, and the symptom. "PCI: Avoid reset when
# disabled via sysfs" came with these, and was taken back in the next one since it broke
# VFIO passthrough: pci-v6.15-fixes-2 (bc0b828ef6e5); linux-stable of 8, 23 and 25
# April 2025; zen-kernel/zen-kernel#380 (6.14.2, 6.12.23).
KNOWN: tuple[tuple[Version, Version, Message], ...] = (
    ((6, 14, 2), (6, 14, 3), NO_RESET),
    ((6, 12, 23), (6, 12, 24), NO_RESET),
    ((6, 6, 87), (6, 6, 87), NO_RESET),
    ((6, 1, 134), (6, 1, 134), NO_RESET),
)
NO_POINT = say(
    "vfio-kernel-regression-no-point",
    "the kernel's release does not say which point release of Linux it is",
)
RELEASE = "/proc/sys/kernel/osrelease"
BAD = say(
    "vfio-kernel-regression",
    "Linux {version} is known for a fault: {symptom}. Distributions may have mended it"
    " under the same number.",
)
OTHER = say("vfio-kernel-regression-other", "{version} or later")
UPDATE = say(
    "vfio-kernel-regression-update",
    "If that is what you see, boot another kernel: {version} or later, or the one that"
    " you had before.",
)


class VfioKernelRegression(Check):
    """The running kernel is known to break passthrough.

    What it does:
    Compares the running kernel's release with a short list of point releases whose
    fault is documented: 6.14.2, 6.14.3, 6.12.23, 6.12.24, 6.6.87 and 6.1.134 (April
    2025) leave devices without a reset, which the next release of each has mended. It
    is judged only if a device is meant for a VM.

    Why is this bad?
    The VM starts once. After it was shut down or rebooted, the card hangs, and only a
    reboot of the host brings it back (zen-kernel/zen-kernel#380).

    How it is repaired:
    By hand: with a newer kernel, or the one before.

    See it yourself:
        uname -r
        cat /sys/bus/pci/devices/0000:01:00.0/reset_method

    False alarms:
    A distribution may have taken the change back without a new number. That is why
    this is only information. Kernels with numbers of their own (Ubuntu, Debian,
    Proxmox) are not told apart.
    """

    id = "vfio-kernel-regression"
    severity = Severity.INFO
    title = "The kernel is known for a fault at passthrough"

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one note if the release is in the list."""
        facts[WantedDevices].demand()
        release = facts[KernelRelease].release
        version = point_release(release)
        if version is None:
            raise NotApplicable(NO_POINT)
        for first, last, symptom in KNOWN:
            if first <= version <= last:
                newer = _shown((*last[:2], last[2] + 1))
                message = BAD.filled(version=_shown(version), symptom=symptom)
                row = Evidence(RELEASE, release, OTHER.filled(version=newer))
                advice = UPDATE.filled(version=newer)
                yield Finding(HostPlace(), message, (row,), None, advice)


def point_release(release: str) -> Version | None:
    """Return the three numbers of a release; distributions' own end in .0 here."""
    parts = release.partition("-")[0].partition("+")[0].split(".")[:3]
    numbers = [int(p) for p in parts if p.isascii() and p.isdigit() and len(p) < 5]
    if len(numbers) < len(parts) or len(numbers) < 3:
        return None
    return numbers[0], numbers[1], numbers[2]


def _shown(version: Version) -> str:
    return ".".join(map(str, version))


REFUSED = say(
    "vfio-dma-refused",
    "The IOMMU has refused memory accesses of {bdf}, which {driver} has: if that device"
    " fails since the IOMMU is on, this is why.",
)
LOG = say("vfio-dma-refused-log", "kernel log")
NO_LINE = say("vfio-dma-refused-no-line", "no such line")
TRANSLATE_LESS = say(
    "vfio-dma-refused-less",
    "If it fails, try the kernel argument `iommu=pt`, which leaves the host's own"
    " devices alone. If it works, do nothing.",
)
OR_GRAPHICS = say(
    "vfio-dma-refused-graphics",
    "If it fails, try the kernel argument `iommu=pt`, and if that is not enough"
    " `intel_iommu=on,igfx_off`: no VM can get the processor's graphics then. If it"
    " works, do nothing.",
)


class VfioHostDmaRefused(Check):
    """The IOMMU has blocked memory accesses of a device that the host uses.

    What it does:
    Looks in the kernel log for accesses that the IOMMU has refused to a device that a
    driver of the host's has. It is judged only if a device is meant for a VM: the
    IOMMU is mostly switched on for that.

    Why is this bad?
    It may be nothing. But if the network card, the sound or the processor's graphics
    fail since the IOMMU is on, these lines say why: a driver or a firmware uses memory
    that it was not given.

    How it is repaired:
    By hand, and only if something fails: iommu=pt leaves the host's own devices
    alone.

    See it yourself:
        sudo journalctl -k -b | grep -e 'fault addr' -e IO_PAGE_FAULT

    False alarms:
    Some firmware does this once at boot, and nothing fails. It is only information.
    """

    id = "vfio-host-dma-refused"
    severity = Severity.INFO
    title = "The IOMMU has blocked a device that the host uses"

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one note a device."""
        wanted = facts[WantedDevices]
        wanted.demand()
        lines = {
            f"0000:{match.device}"[-12:]: match.line
            for match in reversed(captured_log(facts).of(Conclusion.DMA_REFUSED))
        }
        for device in facts[PciDevices].devices:
            line = lines.get(device.bdf)
            if line is None or not device.driver or wanted.of(device.bdf):
                continue
            message = REFUSED.filled(bdf=device.bdf, driver=device.driver)
            rows = (Evidence(LOG, line, NO_LINE),)
            advice = OR_GRAPHICS if device.is_intel_graphics else TRANSLATE_LESS
            yield Finding(DevicePlace(device.bdf), message, rows, None, advice)
        if lines:
            wanted.all_seen()


NOT_GIVEN = say("vfio-acs-override-not-given", "pcie_acs_override is not given")
UNPATCHED = say(
    "vfio-acs-override-unknown",
    "{word} does nothing: this kernel does not have the patch that reads it, so the"
    " groups stay as they are.",
)
TAKE_OUT = say(
    "vfio-acs-override-take-out",
    "Take the argument out. To split groups, another slot is better; kernels with the"
    " patch (linux-zen, CachyOS, XanMod, Proxmox) split them without any protection"
    " between the devices.",
)


class VfioAcsOverrideIdle(Check):
    """The argument pcie_acs_override does nothing on this kernel.

    What it does:
    If the argument is among those of the running kernel, it looks in the kernel log
    whether the kernel says that it does not know it. Kernels before 5.14 do not say
    so, and are not judged.

    Why is this bad?
    Linux itself has no such argument: a patch brings it, which few distributions
    carry. Without it the groups stay as they are, and the VM does not start.

    How it is repaired:
    By hand: take the argument out, and put the card into another slot.

    See it yourself:
        cat /proc/cmdline
        sudo journalctl -k -b | grep 'Unknown kernel command line'

    False alarms:
    None are known: the kernel itself says that it passes the word on.
    """

    id = "vfio-acs-override-idle"
    severity = Severity.WARNING
    title = "pcie_acs_override does nothing on this kernel"

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding if the kernel says that it does not know the word."""
        facts[WantedDevices].demand()
        booted = facts[KernelCmdline]
        words = acs_overrides(booted.line)
        if not words:
            raise NotApplicable(NOT_GIVEN)
        for match in captured_log(facts).of(Conclusion.ACS_OVERRIDE_UNKNOWN)[:1]:
            rows = (Evidence(booted.source, words[0]), Evidence(LOG, match.line))
            message = UNPATCHED.filled(word=words[0])
            place = ArgumentPlace(words[0], booted.source)
            yield Finding(place, message, rows, None, TAKE_OUT)
