"""Hosts built in memory from real PCI listings, or from a small table."""

from __future__ import annotations

from typing import Any

from support import hosts
from support.fixture_hosts.hardware import amd_desktop, cpu, intel_desktop
from support.fixture_hosts.parts import Parts, Recipe, capture
from vfio_doctor.diagnosis.judge import judge
from vfio_doctor.diagnosis.registry import Registry
from vfio_doctor.facts.base import Facts
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.reader import Missing, Why
from vfio_doctor.host.redaction.redact import redact
from vfio_doctor.model import CheckResult

PCI = "/sys/bus/pci/devices"
GROUPS = "/sys/kernel/iommu_groups"
TABLES = "/sys/firmware/acpi/tables"
UNITS = "/sys/class/iommu"
SYSFS = (UNITS, GROUPS, PCI)


def whole(*parts: Parts) -> CapturedHost:
    return CapturedHost(capture(Recipe("machine", "nothing", parts)))


def amd(iommu: bool = True, firmware_on: bool = True) -> CapturedHost:
    return whole(*amd_desktop(iommu, firmware_on))


def intel(iommu: bool = True, firmware_on: bool = True) -> CapturedHost:
    return whole(*intel_desktop(iommu, firmware_on))


def function(
    bdf: str, ids: str, class_: str, driver: str | None, group: int | None
) -> Parts:
    """One PCI function as sysfs shows it."""
    lines = [f"DRIVER={driver}"] if driver else []
    lines += [f"PCI_CLASS={int(class_, 16):04X}", f"PCI_ID={ids.upper()}", ""]
    parts = Parts({f"{PCI}/{bdf}/uevent": "\n".join(lines)}, {})
    if group is not None:
        target = f"../../../kernel/iommu_groups/{group}"
        parts.stats[f"{PCI}/{bdf}/iommu_group"] = hosts.link(target)
        parts.stats[f"{GROUPS}/{group}/devices/{bdf}"] = hosts.link(f"../{bdf}")
    return parts


def from_record(record: dict[str, Any]) -> CapturedHost:
    """One machine of ``hosts/``; nobody recorded its ACPI tables."""
    functions = (
        function(
            one["bdf"],
            f"{one['vendor'][2:]}:{one['device'][2:]}",
            one["class"],
            one["driver"],
            one["iommu_group"],
        )
        for one in record["pci"]
    )
    # Every x86 machine with groups has the unit that made them.
    active = record["expected"]["iommu_active"]
    units = (f"{UNITS}/dmar0",) if active else ()
    host = whole(*functions, Parts(folders=(*SYSFS, *units)), _processor(record))
    host.capture.lists[TABLES] = Missing(TABLES, Why.NOT_CAPTURED)
    return host


def _processor(record: dict[str, Any]) -> Parts:
    said = record["cpu"]
    if record["architecture"] != "x86_64":
        text = f"processor\t: 0\nFeatures\t: {said['features']}\n"
        return Parts(files={"/proc/cpuinfo": text})
    flags = f"{said['features']} {' '.join(said['virt_flags'])}"
    return cpu(said["vendor_id"], said["model_name"] or "", flags, 48)


def result(host: CapturedHost, check: type) -> CheckResult:
    """Judge one check as the engine does; fixes are left out.

    What is left of the host in an attachment has to be judged the same.
    """
    found = judge(check, Facts(host), Registry((check,), ()))
    left = CapturedHost(redact(host.capture).capture)
    again = _said(judge(check, Facts(left), Registry((check,), ())))
    assert again == _said(found), f"{_said(found)} in an attachment: {again}"
    return found


def _said(found: CheckResult) -> tuple[object, ...]:
    """Return how a check ended, and by their ids which sentences it said."""
    findings = [
        (d.severity, d.finding.message.id, d.finding.advice and d.finding.advice.id)
        for d in found.diagnoses
    ]
    return found.status, found.reason and found.reason.id, findings
