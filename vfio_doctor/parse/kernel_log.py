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
    RMRR_BROKEN = "firmware bug: a reserved memory region (RMRR) is wrong"
    IVRS_BROKEN = "the firmware's IVRS table has a bad memory entry (IVMD)"
    IOMMU_ON = "the IOMMU is active"
    REMAPPING_ON = "interrupt remapping works"
    MEDIATED_ONLY = "only a mediated device was put into a group"
    BOOT_FRAMEBUFFER = "the boot framebuffer (simpledrm) holds the GPU's memory"
    MEMORY_TAKEN = "something holds the device's memory"
    NO_GROUP = "the device has no IOMMU group: the IOMMU is off or not supported"
    PROBE_FAILED = "vfio-pci could not take the device: it has no IOMMU group"
    INVALIDATION = "a device stopped answering the IOMMU's invalidations"
    IN_USE = "the device is still in use by a VM"
    UNKNOWN_PARAMETER = "a module was given a parameter that it does not have"
    BAD_PARAMETER = "a module was given a value that it does not take"
    MODULE_REFUSED = "the kernel refused a module for its signature"
    MODULE_FOREIGN = "a module was built for another kernel"
    NO_KVMFR_DEVICE = "kvmfr was loaded without a size: it made no device"
    KVMFR_MEMORY = "kvmfr could not get the memory that it was asked for"
    VIRTUALIZATION_OFF = "the firmware keeps the processor's virtualization off"


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


_STAMP = r"\s*(?:<\d+>)?\s*\[[\s\d.]+\]\s*(?:\[\s*[TC]\d+\]\s*)?"
_BDF = r"(?P<device>[0-9a-f]{4,}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7])"
_MODULE = r"(?P<module>[\w-]+)"
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
_ON_DEVICE = rf"pci {_BDF}: Adding to iommu group \d+"
_OLD_ON_DEVICE = rf"iommu: Adding device {_BDF} to group \d+"
_DMAR_UNITS = ("DMAR: DRHD base", "DMAR: Host address width", "DMAR-IR:")
_DMA_OFF = (
    Conclusion.FIRMWARE_OFF,
    Conclusion.DMAR_BROKEN,
    Conclusion.IVRS_BROKEN,
    Conclusion.NO_GROUP,
    Conclusion.PROBE_FAILED,
)
_PATTERNS = (
    (Conclusion.DMAR_BROKEN, r"BIOS is broken; DMAR reported at"),
    (Conclusion.RMRR_BROKEN, r"DMAR: \[Firmware Bug\]: .*RMRR"),
    (Conclusion.IVRS_BROKEN, r"AMD-Vi: Error initialization"),
    (Conclusion.IVRS_BROKEN, r"IVRS invalid checksum"),
    (Conclusion.IOMMU_ON, _ON_DEVICE),
    (Conclusion.IOMMU_ON, _OLD_ON_DEVICE),
    (Conclusion.REMAPPING_ON, r"DMAR-IR: Enabled IRQ remapping"),
    (Conclusion.REMAPPING_ON, r"AMD-Vi: Interrupt remapping enabled"),
    (Conclusion.MEDIATED_ONLY, r"vfio_mdev .*MDEV: group_id"),
    (Conclusion.MEMORY_TAKEN, rf"vfio-pci {_BDF}: BAR \d+: can't reserve"),
    (Conclusion.BOOT_FRAMEBUFFER, r"Initialized simpledrm"),
    (Conclusion.NO_GROUP, rf"vfio {_BDF}: no iommu_group found"),
    (
        Conclusion.PROBE_FAILED,
        rf"vfio-pci {_BDF}: probe with driver vfio-pci failed with error -22",
    ),
    (Conclusion.PROBE_FAILED, rf"vfio-pci: probe of {_BDF} failed with error -22"),
    (Conclusion.INVALIDATION, r"VT-d detected Invalidation"),
    (Conclusion.IN_USE, rf"vfio-pci {_BDF}: No device request channel"),
    (Conclusion.UNKNOWN_PARAMETER, rf"{_MODULE}: unknown parameter '"),
    (Conclusion.BAD_PARAMETER, rf"{_MODULE}: `.*' invalid for parameter `"),
    (Conclusion.BAD_PARAMETER, rf"{_MODULE}: `.*' too large for parameter `"),
    (Conclusion.BAD_PARAMETER, r"(?P<module>static_size_mb): can only take \d+ arg"),
    (Conclusion.MODULE_REFUSED, r"Loading of (?:unsigned )?module.* is rejected"),
    (Conclusion.MODULE_REFUSED, r"Lockdown: .*unsigned module loading is restricted"),
    (
        Conclusion.MODULE_REFUSED,
        rf"Failed to insert module '{_MODULE}': Key was rejected by service",
    ),
    (Conclusion.MODULE_FOREIGN, rf"{_MODULE}: version magic '"),
    (Conclusion.MODULE_FOREIGN, rf"{_MODULE}: disagrees about version of symbol"),
    (Conclusion.MODULE_FOREIGN, rf"{_MODULE}: Unknown symbol"),
    (Conclusion.NO_KVMFR_DEVICE, r"(?P<module>kvmfr): creating 0 static devices"),
    (Conclusion.KVMFR_MEMORY, r"(?P<module>kvmfr): failed to allocate memory"),
    # arch/x86/kernel/cpu/feat_ctl.c, arch/x86/kvm/{x86,svm/svm,vmx/vmx}.c, old and new.
    (
        Conclusion.VIRTUALIZATION_OFF,
        r"(?i)\b(?:VMX|SVM) .*(?:disabled|not enabled).*\bBIOS\b",
    ),
    (
        Conclusion.VIRTUALIZATION_OFF,
        r"(?i)\bkvm(?:_intel|_amd)?(?: \[\d+\])?: .*disabled by bios",
    ),
)


def parse(text: str) -> KernelLog:
    """Return what the lines of ``dmesg`` or ``journalctl -k`` show; never raises."""
    lines = [re.sub(f"^{_STAMP}", "", line) for line in text.splitlines()]
    matches = [match for line in lines for match in _matches(line)]
    matches.extend(_together(lines, matches))
    found = {match.conclusion for match in matches}
    on = Conclusion.IOMMU_ON in found
    off = any(conclusion in found for conclusion in _DMA_OFF)
    return KernelLog(
        _vendor(lines),
        True if on else (False if off else None),
        _any(lines, "ACPI: DMAR 0x") or _any(lines, "ACPI: IVRS 0x"),
        Conclusion.REMAPPING_ON in found,
        _any(lines, "BIOS sets x2apic opt out bit"),
        tuple(matches),
    )


def _matches(line: str) -> Iterator[Match]:
    for conclusion, pattern in _PATTERNS:
        found = re.search(pattern, line)
        if found:
            names = found.groupdict()
            module = names.get("module", "").replace("-", "_")
            module = "kvmfr" if module == "static_size_mb" else module
            yield Match(conclusion, line, module, names.get("device", ""))


def _together(lines: list[str], matches: list[Match]) -> Iterator[Match]:
    """Yield what follows from lines only when the others are known."""
    yield from (
        Match(Conclusion.IOMMU_ON, line)
        for line in lines
        if any(text in line for text in _DMA_ON)
    )
    echo = next((line for line in lines if "DMAR: IOMMU enabled" in line), "")
    units = any(_any(lines, text) for text in (*_DMAR_UNITS, *_DMA_ON))
    on = any(match.conclusion is Conclusion.IOMMU_ON for match in matches)
    broken = any(match.conclusion is Conclusion.DMAR_BROKEN for match in matches)
    if echo and not units and not on and not broken:
        yield Match(Conclusion.FIRMWARE_OFF, echo)


def _any(lines: list[str], text: str) -> bool:
    return any(text in line for line in lines)


def _vendor(lines: list[str]) -> str:
    for line in lines:
        if any(text in line for text in _INTEL):
            return "intel"
        if any(text in line for text in _AMD) and _NOT_AMD not in line:
            return "amd"
    return ""
