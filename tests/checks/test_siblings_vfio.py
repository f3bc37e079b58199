"""Siblings of the cases: what holds a card that a VM is to get."""

from __future__ import annotations

import pytest

from support.fixture_hosts import catalogue
from support.hosts import changed, denied, ran
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


CARDS = catalogue.host("healthy-debian12-amd")


def test_the_sound_of_the_hosts_twin_is_not_to_go_first() -> None:
    sysfs, pair = "/sys/bus/pci/devices", ("10DE:2482", "10DE:228B")
    drivers, classes = ("nvidia", "snd_hda_intel"), ("30000", "40300")
    files = {
        f"{sysfs}/0000:{bus}:00.{n}/uevent": f"DRIVER={drivers[n]}\n"
        f"PCI_CLASS={classes[n]}\nPCI_ID={pair[n]}\n"
        for bus in ("07", "08")
        for n in (0, 1)
    }
    line = "quiet vfio-pci.ids=10de:2482,10de:228b\n"
    found = result(changed(CARDS, {**files, "/proc/cmdline": line}), "vfio-not-bound")
    told = {d.finding.subject: str(d.finding.advice) for d in found.diagnoses}
    assert "it is of one card with 0000:07:00.0" in told["0000:07:00.1"]
    assert "10de:228b also stands for 0000:07:00.1" in told["0000:08:00.1"]
    assert not any("softdep" in advice for advice in told.values())


@pytest.mark.parametrize("systemd", [True, False])
def test_ids_in_etc_modules_count_only_where_it_is_read_whole(systemd: bool) -> None:
    path = f"/sys/bus/pci/devices/{GUEST}/uevent"
    files = {
        path: "DRIVER=nouveau\nPCI_CLASS=30000\nPCI_ID=10DE:2482\n",
        "/etc/modules": "vfio_pci ids=10de:2482\n",
    }
    more = {"/run/systemd/system/x": ""} if systemd else {}
    found = result(changed(CARDS, {**files, **more}), "vfio-not-bound")
    (said,) = (d for d in found.diagnoses if d.finding.subject == GUEST)
    words = "only the names of modules are read"
    assert (words in str(said.finding.advice)) is systemd


@pytest.mark.parametrize(
    ("state", "stuck"),
    [("", True), ("D3cold", True), ("D3hot", True), ("unknown", True), ("D0", False)],
)
def test_the_log_tells_of_a_device_whose_power_state_is_not_known(
    state: str, stuck: bool
) -> None:
    line = f"vfio-pci {GUEST}: Unable to change power state from D3cold to D0, device"
    path = f"/sys/bus/pci/devices/{GUEST}/power_state"
    files = {path: f"{state}\n"} if state else {}
    log = ran(("dmesg",), f"[   99.000000] {line} inaccessible\n")
    host = changed(CARDS, files, commands={("dmesg",): log})
    said = result(host, "vfio-stuck-in-d3").diagnoses
    assert [d.finding.subject for d in said] == ([GUEST] if stuck else [])
