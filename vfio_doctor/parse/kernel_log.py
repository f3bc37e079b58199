"""Draw conclusions from kernel log lines: extra evidence, seldom proof.

What a line proves follows the kernel source (drivers/iommu, kernel/module,
drivers/vfio). "DMAR: IOMMU enabled" only repeats the argument; "Enabled IRQ
remapping" and "Default domain type" say nothing about DMA.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING

from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator


class Conclusion(Enum):
    """What a log shows, as a person would say it."""

    FIRMWARE_OFF = "VT-d is off in the firmware: the kernel found no DMAR table"
    DMAR_BROKEN = "the firmware's DMAR table is broken"
    DIRECT_REGION = "the firmware keeps memory of a device, so no VM gets it"
    RMRR_BROKEN = "firmware bug: a reserved memory region (RMRR) is wrong"
    IVRS_BROKEN = "the firmware's IVRS table has a bad memory entry (IVMD)"
    IOMMU_ON = "the IOMMU is active"
    REMAPPING_ON = "interrupt remapping works"
    MEDIATED_ONLY = "only a mediated device was put into a group"
    BOOT_FRAMEBUFFER = "the boot framebuffer (simpledrm) holds the GPU's memory"
    MEMORY_TAKEN = "something holds the device's memory"
    NO_ROOM = "there is no room for the device's memory"
    ROOM_FOUND = "room was found for the device's memory"
    NO_GROUP = "the device has no IOMMU group: the IOMMU is off or not supported"
    PROBE_FAILED = "vfio-pci could not take the device: it has no IOMMU group"
    DMA_REFUSED = "the IOMMU has refused what a device asked for"
    INVALIDATION = "a device stopped answering the IOMMU's invalidations"
    IN_USE = "the device is still in use by a VM"
    ACS_OVERRIDE_UNKNOWN = "the kernel does not know the argument pcie_acs_override"
    UNKNOWN_PARAMETER = "a module was given a parameter that it does not have"
    BAD_PARAMETER = "a module was given a value that it does not take"
    MODULE_REFUSED = "the kernel refused a module for its signature"
    MODULE_FOREIGN = "a module was built for another kernel"
    NO_KVMFR_DEVICE = "kvmfr was loaded without a size: it made no device"
    STUCK_ASLEEP = "a device does not wake from power saving any more"
    KVMFR_MEMORY = "kvmfr could not get the memory that it was asked for"
    VIRTUALIZATION_OFF = "the firmware keeps the processor's virtualization off"
    NEVER_READY = "a device did not come back after a reset"
    OFF_THE_BUS = "a device does not answer on its bus any more"
    BARS_RESTORED = "a device had lost its state in a reset"
    FATAL_BUS_ERROR = "the link of a device reported a fatal error"
    REMOVED_IN_USE = "a device was taken away while programs had it open"
    DETACH_HANGS = "taking a device away from its driver does not end"
    LOCKED_MEMORY = "the memory that a VM may lock is not enough"


class Match(NamedTuple):
    """One line that says something; names are "" where the line has none."""

    conclusion: Conclusion
    line: str
    module: str = ""
    device: str = ""


class KernelLog(NamedTuple):
    """What the lines show together.

    ``vendor`` is ``intel``, ``amd`` or ""; ``dma_translation_active`` is None
    where the lines do not tell; ``device`` is the first PCI address of a
    conclusion, "" where there is none.
    """

    vendor: str = ""
    dma_translation_active: bool | None = None
    acpi_table_seen: bool = False
    interrupt_remapping_seen: bool = False
    x2apic_opt_out: bool = False
    matches: tuple[Match, ...] = ()

    @property
    def conclusions(self) -> tuple[Conclusion, ...]:
        """Return each conclusion once, in the order of the log."""
        return tuple(dict.fromkeys(match.conclusion for match in self.matches))

    @property
    def device(self) -> str:
        """Return the first device that a conclusion is about, or ""."""
        return next((match.device for match in self.matches if match.device), "")

    def of(self, *conclusions: Conclusion, module: str = "") -> tuple[Match, ...]:
        """Return the matches of some conclusions, of one module where given."""
        return tuple(
            match
            for match in self.matches
            if match.conclusion in conclusions and module in ("", match.module)
        )


# A log may be one long line of a stranger's. So no pattern tries again what begins
# inside of what it has tried: quantifiers are possessive or bounded.
# Compiled when it is used (re keeps it).
_STAMP = r"\s*+(?:<\d+>)?\s*+\[[\s\d.]++\]\s*+(?:\[\s*+[TC]\d++\]\s*+)?"
_BDF = r"(?<![0-9a-f])(?P<device>[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7])"
# A thread of libvirt's, as the kernel names it, and its number.
LIBVIRT_TASK = (
    r"(?:(?:prio-)?rpc-(?:libvir|virtqe|virtno)[a-z]{0,6}|libvirtd|virtqemud"
    r"|virtnodedevd|virsh):\d{1,9}"
)
_SHORT = r"(?P<device>[0-9a-f]{2}:[0-9a-f]{2}\.[0-7])"
_SLOT = r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}"
_MODULE = r"(?<![\w-])(?P<module>[\w-]{1,64})"
_INTEL = ("DMAR", "VT-d detected")
# The IOMMUv2 message is printed by a module on any processor.
_AMD = ("AMD-Vi", "IVRS", "IVMD")
_NOT_AMD = "IOMMUv2 functionality not available"
_DMA_ON = (
    "Virtualization Technology for Directed I/O",
    "DMAR: No ATSR found",
    "DMAR: No SATC found",
    "DMAR: Skip IOMMU disabling for graphics",
    "AMD-Vi: Found IOMMU",
    "AMD-Vi: IOMMU performance counters supported",
)
_DMAR_UNITS = ("DMAR: DRHD base", "DMAR: Host address width", "DMAR-IR:")
_TABLES = ("ACPI: DMAR 0x", "ACPI: IVRS 0x")
_OPT_OUT = "BIOS sets x2apic opt out bit"
# It only repeats the argument.
_ECHO = "DMAR: IOMMU enabled"
_TOLD_APART = (*_TABLES, _OPT_OUT, _ECHO)
_DMA_OFF = (
    Conclusion.FIRMWARE_OFF,
    Conclusion.DMAR_BROKEN,
    Conclusion.IVRS_BROKEN,
    Conclusion.NO_GROUP,
    Conclusion.PROBE_FAILED,
)
# Bounded, so that a long line costs no more than its length.
_EXTENSION = r"\b(?:VMX|SVM) .{0,40}?"
_KVM = r"\bkvm(?:_intel|_amd)?(?: \[\d+\])?: .{0,60}?"
# The words that a line must hold, and what must match, if more than these words.
_PATTERNS = (
    (Conclusion.DMAR_BROKEN, "BIOS is broken; DMAR reported at", ""),
    (Conclusion.RMRR_BROKEN, "DMAR: [Firmware Bug]: ", "(?>.*?%s).*RMRR"),
    # drivers/iommu/intel/iommu.c; drivers/iommu/iommu.c since Linux 6.6.
    (
        Conclusion.DIRECT_REGION,
        "Device is ineligible for IOMMU domain attach due to platform RMRR",
        rf"{_BDF}: (?:DMAR: )?%s",
    ),
    (
        Conclusion.DIRECT_REGION,
        "Firmware has requested this device have a 1:1 IOMMU mapping",
        rf"{_BDF}: %s",
    ),
    (Conclusion.IVRS_BROKEN, "AMD-Vi: Error initialization", ""),
    (Conclusion.IVRS_BROKEN, "IVRS invalid checksum", ""),
    (Conclusion.IOMMU_ON, ": Adding to iommu group ", rf"pci {_BDF}%s\d"),
    (Conclusion.IOMMU_ON, "iommu: Adding device ", rf"%s{_BDF} to group \d"),
    (Conclusion.REMAPPING_ON, "DMAR-IR: Enabled IRQ remapping", ""),
    (Conclusion.REMAPPING_ON, "AMD-Vi: Interrupt remapping enabled", ""),
    (Conclusion.MEDIATED_ONLY, "vfio_mdev ", "(?>.*?%s).*MDEV: group_id"),
    (Conclusion.MEMORY_TAKEN, ": can't reserve", rf"vfio-pci {_BDF}: BAR \d+%s"),
    (Conclusion.BOOT_FRAMEBUFFER, "Initialized simpledrm", ""),
    # drivers/pci/setup-res.c, of several releases.
    (Conclusion.NO_ROOM, ": no space for ", rf"{_BDF}: BAR \d{{1,2}}%s"),
    (Conclusion.NO_ROOM, ": can't assign; no ", rf"{_BDF}: BAR \d{{1,2}} .{{1,60}}?%s"),
    (Conclusion.NO_ROOM, ": failed to assign", rf"{_BDF}: BAR \d{{1,2}}.{{0,60}}?%s"),
    (Conclusion.ROOM_FOUND, ": assigned", rf"{_BDF}: BAR \d{{1,2}}.{{0,60}}?%s"),
    (Conclusion.NO_GROUP, ": no iommu_group found", rf"vfio {_BDF}%s"),
    (
        Conclusion.PROBE_FAILED,
        ": probe with driver vfio-pci failed with error -22",
        rf"vfio-pci {_BDF}%s",
    ),
    (
        Conclusion.PROBE_FAILED,
        "vfio-pci: probe of ",
        rf"%s{_BDF} failed with error -22",
    ),
    # drivers/iommu/intel/dmar.c; drivers/iommu/amd/iommu.c, old and new.
    (
        Conclusion.DMA_REFUSED,
        "] Request device [",
        rf"DMAR: \[DMA [^\]]{{1,40}}%s{_SHORT}\] fault addr",
    ),
    (
        Conclusion.DMA_REFUSED,
        "AMD-Vi: Event logged [IO_PAGE_FAULT device=",
        rf"%s(?:0000:)?{_SHORT}",
    ),
    (
        Conclusion.DMA_REFUSED,
        ": AMD-Vi: Event logged [IO_PAGE_FAULT domain=",
        rf"{_BDF}%s",
    ),
    (Conclusion.INVALIDATION, "VT-d detected Invalidation", ""),
    (Conclusion.IN_USE, ": No device request channel", rf"vfio-pci {_BDF}%s"),
    (
        Conclusion.STUCK_ASLEEP,
        ": Unable to change power state from D3cold to D0",
        rf"{_BDF}%s",
    ),
    (
        Conclusion.STUCK_ASLEEP,
        ": can't change power state from D3cold to D0",
        rf"{_BDF}%s",
    ),
    (
        Conclusion.STUCK_ASLEEP,
        ": Refused to change power state, currently in D3",
        rf"{_BDF}%s",
    ),
    (
        Conclusion.STUCK_ASLEEP,
        ": Unable to change power state from D3hot to D0",
        rf"{_BDF}%s",
    ),
    # drivers/pci/pci.c pci_dev_wait, probe.c pci_setup_device, pcie/aer.c.
    (
        Conclusion.NEVER_READY,
        ": not ready ",
        rf"{_BDF}%s\d{{1,9}}ms after .{{1,40}}?; giving up",
    ),
    (Conclusion.OFF_THE_BUS, ": unknown header type 7f", rf"{_BDF}%s"),
    (
        Conclusion.OFF_THE_BUS,
        "GPU has fallen off the bus",
        rf"PCI:(?P<device>{_SLOT})\).{{0,80}}?%s",
    ),
    (
        Conclusion.OFF_THE_BUS,
        ": GPU has fallen off the bus",
        rf"GPU {_BDF}%s",
    ),
    (
        Conclusion.BARS_RESTORED,
        ": vfio_bar_restore: reset recovery",
        rf"{_BDF}%s",
    ),
    (
        Conclusion.FATAL_BUS_ERROR,
        "PCIe Bus Error: severity=Uncorrect",
        rf"{_BDF}: (?:AER: )?%s(?:ed|able) \(Fatal\)",
    ),
    # NVIDIA's nv_pci_remove; kernel/hung_task.c for a thread of libvirt's.
    (
        Conclusion.REMOVED_IN_USE,
        " with non-zero usage count",
        rf"remove device {_BDF}%s",
    ),
    (
        Conclusion.DETACH_HANGS,
        " blocked for more than ",
        rf"INFO: task {LIBVIRT_TASK}%s",
    ),
    # drivers/vfio/vfio_iommu_type1.c.
    (Conclusion.LOCKED_MEMORY, ": RLIMIT_MEMLOCK (", r"vfio_pin_page\w{1,30}%s"),
    # init/main.c, print_unknown_bootoptions, since Linux 5.14.
    (
        Conclusion.ACS_OVERRIDE_UNKNOWN,
        "Unknown kernel command line parameters ",
        "(?>.*?%s).*pcie_acs_override",
    ),
    (Conclusion.UNKNOWN_PARAMETER, ": unknown parameter '", rf"{_MODULE}%s"),
    (
        Conclusion.BAD_PARAMETER,
        "' invalid for parameter `",
        rf"(?>.*?{_MODULE}: `).*%s",
    ),
    (
        Conclusion.BAD_PARAMETER,
        "' too large for parameter `",
        rf"(?>.*?{_MODULE}: `).*%s",
    ),
    (
        Conclusion.BAD_PARAMETER,
        "static_size_mb: can only take ",
        r"(?P<module>)%s\d+ arg",
    ),
    (Conclusion.MODULE_REFUSED, "Loading of module", "(?>.*?%s).* is rejected"),
    (
        Conclusion.MODULE_REFUSED,
        "Loading of unsigned module",
        "(?>.*?%s).* is rejected",
    ),
    (
        Conclusion.MODULE_REFUSED,
        "Lockdown: ",
        "(?>.*?%s).*unsigned module loading is restricted",
    ),
    (
        Conclusion.MODULE_REFUSED,
        "': Key was rejected by service",
        rf"Failed to insert module '{_MODULE}%s",
    ),
    (Conclusion.MODULE_FOREIGN, ": version magic '", rf"{_MODULE}%s"),
    (Conclusion.MODULE_FOREIGN, ": disagrees about version of symbol", rf"{_MODULE}%s"),
    (Conclusion.MODULE_FOREIGN, ": Unknown symbol", rf"{_MODULE}%s"),
    (Conclusion.NO_KVMFR_DEVICE, "kvmfr: creating 0 static devices", ""),
    (Conclusion.KVMFR_MEMORY, "kvmfr: failed to allocate memory", ""),
    # arch/x86/kernel/cpu/feat_ctl.c, arch/x86/kvm/{x86,svm/svm,vmx/vmx}.c, old and new.
    (Conclusion.VIRTUALIZATION_OFF, "disabled by BIOS", rf"{_EXTENSION}%s"),
    (Conclusion.VIRTUALIZATION_OFF, "disabled (by BIOS)", rf"{_EXTENSION}%s"),
    (Conclusion.VIRTUALIZATION_OFF, "not enabled (by BIOS)", rf"{_EXTENSION}%s"),
    (Conclusion.VIRTUALIZATION_OFF, "disabled by bios", rf"{_KVM}%s"),
)
_KVMFRS_OWN = (Conclusion.NO_KVMFR_DEVICE, Conclusion.KVMFR_MEMORY)


def telling() -> tuple[str, ...]:
    """Return the texts of which a line must hold one to lead to any conclusion."""
    texts = (*_INTEL, *_AMD, *_DMA_ON, *_DMAR_UNITS, _NOT_AMD, *_TOLD_APART)
    return (*texts, *(words for _, words, _ in _PATTERNS))


def phrases() -> tuple[str, ...]:
    """Return every text and pattern that a conclusion is drawn from."""
    return (*telling(), *(pattern for _, _, pattern in _PATTERNS))


def parse(text: str) -> KernelLog:
    """Return what the lines of ``dmesg`` or ``journalctl -k`` show; never raises."""
    matches = list(_matches(text))
    matches.extend(_together(text, matches))
    found = {match.conclusion for match in matches}
    on = Conclusion.IOMMU_ON in found
    off = any(conclusion in found for conclusion in _DMA_OFF)
    return KernelLog(
        _vendor(text),
        True if on else (False if off else None),
        any(table in text for table in _TABLES),
        Conclusion.REMAPPING_ON in found,
        _OPT_OUT in text,
        tuple(matches),
    )


def _lines(text: str, *words: str) -> Iterator[tuple[int, int]]:
    """Yield (start, number of the word) of each line that holds one of the words."""
    places: list[tuple[int, int]] = []
    for number, word in enumerate(words):
        at = text.find(word)
        while at >= 0:
            places.append((text.rfind("\n", 0, at) + 1, number))
            end = text.find("\n", at)
            at = text.find(word, end) if end >= 0 else -1
    yield from sorted(places)


def _line(text: str, start: int) -> str:
    """Return the line that starts there, without its time stamp."""
    end = text.find("\n", start)
    whole = text[start : end if end >= 0 else None].removesuffix("\r")
    stamp = re.compile(_STAMP).match(whole)
    return whole[stamp.end() :] if stamp else whole


def _matches(text: str) -> Iterator[Match]:
    for start, number in _lines(text, *(words for _, words, _ in _PATTERNS)):
        conclusion, words, form = _PATTERNS[number]
        line = _line(text, start)
        names: dict[str, str] = {}
        if form:
            pattern = form.replace("%s", re.escape(words))
            # With the first of the words in vain, so with every later one.
            first = pattern.startswith("(?>")
            found = (re.match if first else re.search)(pattern, line)
            if not found:
                continue
            names = found.groupdict()
        yield Match(
            conclusion, line, _module(conclusion, names), names.get("device", "")
        )


def _module(conclusion: Conclusion, names: dict[str, str]) -> str:
    if conclusion in _KVMFRS_OWN or names.get("module") == "":
        return "kvmfr"
    return names.get("module", "").replace("-", "_")


def _together(text: str, matches: list[Match]) -> Iterator[Match]:
    """Yield what follows from lines only when the others are known."""
    shown = [start for start, _ in _lines(text, *_DMA_ON)]
    yield from (
        Match(Conclusion.IOMMU_ON, _line(text, start)) for start in dict.fromkeys(shown)
    )
    echo = text.find(_ECHO)
    units = shown or any(word in text for word in _DMAR_UNITS)
    on = any(match.conclusion is Conclusion.IOMMU_ON for match in matches)
    broken = any(match.conclusion is Conclusion.DMAR_BROKEN for match in matches)
    if echo >= 0 and not units and not on and not broken:
        start = text.rfind("\n", 0, echo) + 1
        yield Match(Conclusion.FIRMWARE_OFF, _line(text, start))


def _vendor(text: str) -> str:
    words = (*_INTEL, *_AMD)
    for start, number in _lines(text, *words):
        if number < len(_INTEL):
            return "intel"
        if _NOT_AMD not in _line(text, start):
            return "amd"
    return ""
