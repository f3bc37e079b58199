"""Siblings of the cases: what holds a card that a VM is to get."""

from __future__ import annotations

import pytest

from support.fixture_hosts import catalogue
from support.hosts import changed, denied
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.facts.base import Facts
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.redaction.redact import redact
from vfio_doctor.model import CheckResult, Status

REGISTRY = load()
IOMEM, TAKEN = "/proc/iomem", "vfio-memory-taken"
GUEST = "0000:08:00.0"
HELD = catalogue.host("vfio-framebuffer-held")
ZEROS = "00000000-00000000 : PCI Bus 0000:00\n  00000000-00000000 : BOOTFB\n"


def result(host: CapturedHost, check: str) -> CheckResult:
    """Return how a check ends, which must be the same after redaction."""
    (told,) = diagnose(Facts(host), REGISTRY, select=[check])
    shared = CapturedHost(redact(host.capture).capture)
    (again,) = diagnose(Facts(shared), REGISTRY, select=[check])
    assert (told.status, len(told.diagnoses)) == (again.status, len(again.diagnoses))
    return told


def test_the_firmware_s_framebuffer_in_a_bound_card() -> None:
    (said,) = result(HELD, TAKEN).diagnoses
    assert said.finding.subject == GUEST
    assert "(BOOTFB)" in str(said.finding.message)


def driven(driver: str) -> CapturedHost:
    path = f"/sys/bus/pci/devices/{GUEST}/uevent"
    text = HELD.capture.files[path]
    assert isinstance(text, bytes)
    new = text.replace(b"DRIVER=vfio-pci", f"DRIVER={driver}".encode())
    return changed(HELD, {path: new})


@pytest.mark.parametrize(
    ("host", "status"),
    [
        (changed(HELD, {IOMEM: ZEROS}), Status.UNKNOWN),
        (changed(HELD, {IOMEM: denied(IOMEM)}), Status.UNKNOWN),
        (changed(HELD, absent=[IOMEM]), Status.NOT_APPLICABLE),
        (driven("nouveau"), Status.NOT_APPLICABLE),
        (
            changed(HELD, {f"/sys/bus/pci/devices/{GUEST}/boot_vga": "0\n"}),
            Status.NOT_APPLICABLE,
        ),
    ],
    ids=["as user", "denied", "old capture", "not bound", "not the firmware's"],
)
def test_what_is_not_seen_is_not_said(host: CapturedHost, status: Status) -> None:
    assert result(host, TAKEN).status is status
