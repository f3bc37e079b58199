from __future__ import annotations

import json
from typing import Any

import pytest

from support import corpus, hosts
from support.fixture_hosts.hardware import firmware, interrupts
from support.machines import GROUPS, TABLES, amd, from_record, intel, result, whole
from support.rows import for_each
from vfio_doctor.checks.boot.iommu import (
    InterruptRemappingOff,
    IommuFirmwareOff,
    IommuOff,
)
from vfio_doctor.checks.kvm.cpu import CpuVirtualizationOff
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.reader import Missing, Why
from vfio_doctor.model import Actor, CheckResult, Status

CPUINFO = "/proc/cpuinfo"
UNITS = "/sys/class/iommu"
ARM = {CPUINFO: "processor\t: 0\nFeatures\t: fp asimd\n"}
XEN = {"/sys/hypervisor/type": "xen\n"}
ECAP = f"{UNITS}/dmar0/intel-iommu/ecap"
INTERRUPTS = "/proc/interrupts"


def unlisted(host: CapturedHost, folder: str, why: Why = Why.DENIED) -> CapturedHost:
    host.capture.lists[folder] = Missing(folder, why)
    return host


def in_a_vm(host: CapturedHost) -> CapturedHost:
    text = host.capture.files[CPUINFO]
    assert isinstance(text, bytes)
    changed = text.replace(b"fpu vme", b"fpu vme hypervisor")
    return hosts.changed(host, files={CPUINFO: changed})


def arm(*, smmu: bool) -> CapturedHost:
    host = hosts.changed(amd(iommu=smmu), files=ARM, absent=[f"{UNITS}/ivhd0"])
    stat = {f"{UNITS}/smmu3.0x0": hosts.link("../x")} if smmu else {}
    return hosts.changed(host, stats=stat, absent=["/sys/firmware"])


def pretending() -> CapturedHost:
    return hosts.changed(
        intel(iommu=False), files={f"{GROUPS}/0/name": "vfio-noiommu\n"}
    )


def advice(found: CheckResult) -> str:
    (one,) = found.diagnoses
    return str(one.finding.advice)


def ends(found: CheckResult, status: Status) -> bool:
    return (found.status, found.trace) == (status, "")


@pytest.mark.slow
def test_every_recorded_machine() -> None:
    for path in sorted(corpus.FOLDER.glob("hosts/*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        host, expected = from_record(record), record["expected"]
        x86 = record["architecture"] == "x86_64"
        off = Status.FAIL if x86 else Status.UNKNOWN
        iommu = Status.PASS if expected["iommu_active"] else off
        assert ends(result(host, IommuOff), iommu), record["id"]
        # Its tables were not recorded: off in the firmware is not known.
        silent = Status.PASS if expected["iommu_active"] else Status.UNKNOWN
        firmware_off = silent if x86 else Status.NOT_APPLICABLE
        assert ends(result(host, IommuFirmwareOff), firmware_off), record["id"]
        flags = {"vmx", "svm"} & set(record["cpu"]["virt_flags"])
        wanted = Status.PASS if flags else Status.FAIL
        wanted = wanted if x86 else Status.NOT_APPLICABLE
        assert ends(result(host, CpuVirtualizationOff), wanted), record["id"]


@pytest.mark.slow
def test_every_recorded_list_of_acpi_tables() -> None:
    bases = {True: amd(iommu=False), False: intel(iommu=False)}
    # Many machines have the same tables: each list once.
    lists = {
        (r["cpu_vendor"], *r["tables"]): r for r in corpus.records("acpi/tables.jsonl")
    }
    for record in lists.values():
        names = record["tables"]
        offered = {"DMAR", "IVRS"} & set(names)
        vendor, _, model = record["model"].partition("/")
        host = hosts.changed(
            bases[record["cpu_vendor"] == "amd"],
            files=dict(firmware(vendor, model, " ".join(names)).files),
            absent=[f"{TABLES}/{name}" for name in ("DMAR", "IVRS")],
        )
        host = hosts.changed(host, files={f"{TABLES}/{name}": "" for name in offered})
        wanted = Status.PASS if offered else Status.FAIL
        assert ends(result(host, IommuFirmwareOff), wanted), record["id"]


@for_each(
    ("host", "status", "words"),
    [
        (amd(), Status.PASS, ""),
        (intel(), Status.PASS, ""),
        (amd(firmware_on=False), Status.PASS, ""),
        (intel(iommu=False), Status.PASS, ""),
        (amd(iommu=False, firmware_on=False), Status.FAIL, "AMD CBS"),
        (intel(iommu=False, firmware_on=False), Status.FAIL, "VT-d"),
        (in_a_vm(intel(False, False)), Status.FAIL, "<iommu model='intel'>"),
        (in_a_vm(amd(False, False)), Status.FAIL, "<iommu model='amd'>"),
        (hosts.changed(intel(False, False), files=XEN), Status.UNKNOWN, ""),
        (unlisted(intel(iommu=False), TABLES), Status.UNKNOWN, ""),
        (unlisted(intel(iommu=False), TABLES, Why.NOT_CAPTURED), Status.UNKNOWN, ""),
        (hosts.changed(intel(False), absent=[TABLES]), Status.UNKNOWN, ""),
        (unlisted(intel(iommu=False), GROUPS), Status.UNKNOWN, ""),
        (arm(smmu=True), Status.NOT_APPLICABLE, ""),
        (arm(smmu=False), Status.NOT_APPLICABLE, ""),
        (whole(), Status.UNKNOWN, ""),
    ],
    ids=[
        "amd on",
        "intel on",
        "groups without a table",
        "table without groups",
        "amd off in firmware",
        "intel off in firmware",
        "intel VM",
        "amd VM",
        "xen",
        "tables denied",
        "tables not captured",
        "no ACPI",
        "groups denied",
        "arm64 with SMMU",
        "arm64 without",
        "nothing known",
    ],
)
def test_firmware(host: CapturedHost, status: Status, words: str) -> None:
    found = result(host, IommuFirmwareOff)
    assert ends(found, status)
    if words:
        assert words in advice(found)


def test_a_mac_has_no_menu() -> None:
    dmi = "/sys/class/dmi/id/board_vendor"
    host = hosts.changed(intel(False, False), files={dmi: "Apple Inc.\n"})
    assert "This Mac" in advice(result(host, IommuFirmwareOff))


def test_the_firmware_acts_on_a_real_board_and_the_user_in_a_vm() -> None:
    (board,) = result(amd(False, False), IommuFirmwareOff).diagnoses
    (guest,) = result(in_a_vm(amd(False, False)), IommuFirmwareOff).diagnoses
    assert board.finding.who_acts is Actor.FIRMWARE
    assert guest.finding.who_acts is Actor.USER


def booted(host: CapturedHost, line: str) -> CapturedHost:
    return hosts.changed(host, files={"/proc/cmdline": f"root=/dev/sda1 {line}\n"})


@for_each(
    ("host", "status", "words"),
    [
        (amd(), Status.PASS, ""),
        (intel(), Status.PASS, ""),
        (arm(smmu=True), Status.PASS, ""),
        (intel(iommu=False), Status.FAIL, "intel_iommu=on"),
        (amd(iommu=False), Status.FAIL, "No kernel argument"),
        (booted(intel(False), "intel_iommu=on,sm_on"), Status.FAIL, "changed nothing"),
        (pretending(), Status.FAIL, "enable_unsafe_noiommu_mode"),
        (hosts.changed(intel(False), absent=[TABLES]), Status.FAIL, "intel_iommu=on"),
        (hosts.changed(intel(False), files=XEN), Status.UNKNOWN, ""),
        (arm(smmu=False), Status.UNKNOWN, ""),
        (unlisted(intel(), GROUPS), Status.UNKNOWN, ""),
        (unlisted(intel(), UNITS, Why.TIMED_OUT), Status.UNKNOWN, ""),
        (hosts.changed(intel(False), absent=[CPUINFO]), Status.UNKNOWN, ""),
        (whole(), Status.UNKNOWN, ""),
    ],
    ids=[
        "amd",
        "intel",
        "arm64 with SMMU",
        "intel off",
        "amd off",
        "argument given in vain",
        "no-IOMMU mode",
        "tables unknown",
        "xen",
        "arm64 without groups",
        "groups denied",
        "units timed out",
        "no cpuinfo",
        "nothing known",
    ],
)
def test_kernel(host: CapturedHost, status: Status, words: str) -> None:
    found = result(host, IommuOff)
    assert ends(found, status)
    if words:
        assert words in advice(found)


def test_pretended_groups_are_evidence() -> None:
    (one,) = result(pretending(), IommuOff).diagnoses
    seen = one.finding.evidence[0].observed
    assert str(seen) == "only 1 of VFIO's no-IOMMU mode"


def plain(host: CapturedHost, ecap: Any = "f020df\n", **files: Any) -> CapturedHost:
    remapped = dict(interrupts(False).files)
    return hosts.changed(host, files={**remapped, ECAP: ecap, **files})


@pytest.mark.parametrize(
    ("host", "status", "words"),
    [
        (intel(), Status.PASS, ""),
        (amd(), Status.PASS, ""),
        (plain(intel()), Status.FAIL, "no_x2apic_optout"),
        (plain(amd()), Status.FAIL, "x2APIC"),
        (plain(intel(), "f020d0"), Status.FAIL, "allow_unsafe_interrupts=1"),
        (booted(plain(intel()), "intremap=off"), Status.FAIL, "argument intremap=off"),
        (booted(plain(intel()), "intremap=nosid,off"), Status.FAIL, "intremap=off"),
        (booted(plain(intel()), "nointremap"), Status.FAIL, "argument nointremap"),
        (booted(plain(intel()), "intremap=on"), Status.FAIL, "VT-d"),
        (
            plain(intel(), "f020d0", **{INTERRUPTS: hosts.denied(INTERRUPTS)}),
            Status.FAIL,
            "This chipset",
        ),
        (
            plain(intel(), **{INTERRUPTS: hosts.denied(INTERRUPTS)}),
            Status.UNKNOWN,
            "",
        ),
        (plain(intel(), **{INTERRUPTS: ""}), Status.UNKNOWN, ""),
        (intel(iommu=False), Status.NOT_APPLICABLE, ""),
        (arm(smmu=True), Status.NOT_APPLICABLE, ""),
        (unlisted(intel(), GROUPS), Status.UNKNOWN, ""),
    ],
    ids=[
        "intel",
        "amd",
        "intel off",
        "amd off",
        "chipset cannot",
        "intremap=off",
        "intremap list",
        "nointremap",
        "intremap=on",
        "denied, chipset cannot",
        "denied",
        "empty",
        "IOMMU off",
        "arm64",
        "groups denied",
    ],
)
def test_interrupt_remapping(host: CapturedHost, status: Status, words: str) -> None:
    found = result(host, InterruptRemappingOff)
    assert ends(found, status)
    if words:
        assert words in advice(found)


def test_groups_of_mediated_devices_are_no_iommu() -> None:
    named = {f"{GROUPS}/{number}/type": "DMA\n" for number in (0, 1)}
    found = result(hosts.changed(intel(iommu=False), files=dict(named)), IommuOff)
    (one,) = found.diagnoses
    assert str(one.finding.evidence[0].observed) == "only 2 of mediated devices"


def test_advice_without_acpi_is_to_turn_it_on() -> None:
    files = {"/proc/cmdline": "quiet acpi=off\n"}
    on = hosts.changed(in_a_vm(intel(iommu=False)), files=dict(files), absent=[TABLES])
    assert "acpi=off" in advice(result(on, IommuOff))


def test_a_virtio_iommu_needs_its_driver_and_no_argument() -> None:
    tables = {f"{TABLES}/VIOT": ""}
    on = hosts.changed(
        in_a_vm(intel(iommu=False)), files=dict(tables), absent=[f"{TABLES}/DMAR"]
    )
    said = advice(result(on, IommuOff))
    assert "virtio_iommu" in said
    assert "intel_iommu=on" not in said
