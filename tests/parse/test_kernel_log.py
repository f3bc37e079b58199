from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support import corpus
from support.rows import for_each
from vfio_doctor.parse import kernel_log
from vfio_doctor.parse.kernel_log import Conclusion

# What each record's thread concludes, in our words.
CONCLUSIONS = {
    "dmesg-001": Conclusion.FIRMWARE_OFF,
    "dmesg-003": Conclusion.IOMMU_ON,
    "dmesg-005": Conclusion.DMAR_BROKEN,
    "dmesg-007": Conclusion.RMRR_BROKEN,
    "dmesg-009": Conclusion.REMAPPING_ON,
    "dmesg-011": Conclusion.IVRS_BROKEN,
    "dmesg-013": Conclusion.IOMMU_ON,
    "dmesg-015": Conclusion.MEDIATED_ONLY,
    "dmesg-017": Conclusion.BOOT_FRAMEBUFFER,
    "dmesg-019": Conclusion.PROBE_FAILED,
    "dmesg-021": Conclusion.INVALIDATION,
    "dmesg-023": Conclusion.IN_USE,
    "dmesg-025": Conclusion.NO_GROUP,
}
# The lines of dmesg-019 hold nothing of the processor; the thread names the board.
NOT_IN_THE_LINES = {("dmesg-019", "vendor")}


def records() -> list[Any]:
    found = corpus.records("dmesg.jsonl")
    return [pytest.param(record, id=record["id"]) for record in found]


@for_each("record", records())
def test_corpus(record: dict[str, Any]) -> None:
    log = kernel_log.parse("\n".join(record["lines"]))
    assert CONCLUSIONS[record["id"]] in log.conclusions
    for field, value in record["expected"].items():
        if field != "conclusion" and (record["id"], field) not in NOT_IN_THE_LINES:
            assert getattr(log, field) == value, field


@for_each(
    ("line", "active"),
    [
        ("DMAR: IOMMU enabled\nDMAR: Host address width 39", None),
        ("DMAR-IR: Enabled IRQ remapping in x2apic mode", None),
        ("iommu: Default domain type: Translated", None),
        ("DMAR: Intel(R) Virtualization Technology for Directed I/O", True),
        ("pci 0000:00:00.2: AMD-Vi: Found IOMMU cap 0x40", True),
        ("iommu: Adding device 0000:00:01.0 to group 1", True),
        ("[   1.0][    T1] pci 0000:00:01.0: Adding to iommu group 1", True),
        ("platform MSFT0201:00: Adding to iommu group 0", None),
        ("DMAR: IOMMU enabled\nDMAR: Intel(R) ... for Directed I/O", False),
        ("vfio-pci: probe of 0000:01:00.0 failed with error -22", False),
    ],
)
def test_translation(line: str, active: bool | None) -> None:
    assert kernel_log.parse(line).dma_translation_active is active


@for_each(
    ("line", "conclusion", "module"),
    [
        (
            "Loading of unsigned module is rejected",
            Conclusion.MODULE_REFUSED,
            "",
        ),
        (
            "Loading of module with unavailable key is rejected",
            Conclusion.MODULE_REFUSED,
            "",
        ),
        (
            "Lockdown: modprobe: unsigned module loading is restricted; see man",
            Conclusion.MODULE_REFUSED,
            "",
        ),
        (
            "kvmfr: version magic '6.1 SMP' should be '6.2 SMP'",
            Conclusion.MODULE_FOREIGN,
            "kvmfr",
        ),
        (
            "kvmfr: disagrees about version of symbol module_layout",
            Conclusion.MODULE_FOREIGN,
            "kvmfr",
        ),
        ("kvmfr: creating 0 static devices", Conclusion.NO_KVMFR_DEVICE, "kvmfr"),
        (
            "kvmfr: `128M' invalid for parameter `static_size_mb'",
            Conclusion.BAD_PARAMETER,
            "kvmfr",
        ),
        (
            "static_size_mb: can only take 10 arguments",
            Conclusion.BAD_PARAMETER,
            "kvmfr",
        ),
        (
            "kvmfr: unknown parameter 'size' ignored",
            Conclusion.UNKNOWN_PARAMETER,
            "kvmfr",
        ),
        (
            "kvmfr: failed to allocate memory for static device 0",
            Conclusion.KVMFR_MEMORY,
            "kvmfr",
        ),
    ],
)
def test_modules(line: str, conclusion: Conclusion, module: str) -> None:
    log = kernel_log.parse(f"[    9.000000] {line}\n")
    assert [(m.conclusion, m.module, m.line) for m in log.matches] == [
        (conclusion, module, line)
    ]
    assert log.of(conclusion) == log.of(conclusion, module=module)
    assert not log.of(conclusion, module="other")


def test_a_made_device_says_nothing() -> None:
    assert kernel_log.parse("kvmfr: creating 1 static devices").matches == ()


@given(st.text())
def test_never_raises(text: str) -> None:
    log = kernel_log.parse(text)
    assert log.device == "" or log.conclusions


@for_each(
    ("line", "conclusion"),
    [
        ("AMD-Vi: IVRS invalid checksum", Conclusion.IVRS_BROKEN),
        (
            "systemd-modules-load[4]: Failed to insert module 'kvmfr':"
            " Key was rejected by service",
            Conclusion.MODULE_REFUSED,
        ),
        ("x86/cpu: VMX (outside TXT) disabled by BIOS", Conclusion.VIRTUALIZATION_OFF),
        (
            "kvm [412]: support for 'kvm_amd' disabled by bios",
            Conclusion.VIRTUALIZATION_OFF,
        ),
    ],
)
def test_more_lines(line: str, conclusion: Conclusion) -> None:
    assert conclusion in kernel_log.parse(f"[    1.0] {line}\n").conclusions
