"""Hosts rebuilt from public reports: the cause is found, and leads the report."""

from __future__ import annotations

from support.fixture_hosts import catalogue
from support.rows import for_each
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.diagnosis.report import summarise
from vfio_doctor.facts.base import Facts, Options
from vfio_doctor.model import CheckResult, Severity, Status

REGISTRY = load()
# What tests/conformance/test_cases.py has, in the order of the report.
CASES = {
    "02-manjaro-nvme-not-taken": "vfio-not-bound",
    "03-garuda-boot-card-is-guests": "vfio-boot-card",
    "04-b450-card-behind-chipset": "vfio-group-shared",
    "06-hp-rmrr-nic": "vfio-direct-region",
    "07-ubuntu-no-huge-pages": "vfio-huge-pages",
    "08-arch-identical-cards": "vfio-script-idle",
    "09-arch-stuck-in-d3": "vfio-stuck-in-d3",
    "10-pop-override-never-probed": "vfio-not-bound",
}
# Each says what has to be said, in the finding or in what to do about it.
SAID = {
    "02-manjaro-nvme-not-taken": (
        "0000:82:00.0 is meant for vfio-pci (/etc/modprobe.d/vfio.conf:2), but nvme",
        "softdep nvme pre: vfio-pci",
        "rd.driver.pre=vfio-pci means nothing here",
    ),
    "03-garuda-boot-card-is-guests": ("0000:0f:00.0 the primary display",),
    "04-b450-card-behind-chipset": (
        "0000:01:00.1 (ahci), 0000:03:00.0 (r8169) and 0000:04:00.0 (nvme)",
        "another slot",
        "The host may need",
        "0000:07:00.1 is meant for vfio-pci (/proc/cmdline), but snd_hda_intel",
    ),
    "06-hp-rmrr-nic": ("0000:04:00.1", "conrep"),
    "07-ubuntu-no-huge-pages": ("16384 MiB", "hugepagesz=2M hugepages=8192"),
    "08-arch-identical-cards": ("amdgpu before vfio-pci", "mkinitcpio -P"),
    "09-arch-stuck-in-d3": ("disable_idle_d3=1", "the only graphics card"),
    "10-pop-override-never-probed": (
        "0000:28:00.0 has no driver",
        "echo 0000:28:00.0 | sudo tee /sys/bus/pci/drivers_probe",
        "add 10de:10f8, 10de:1ad8 and 10de:1ad9",
    ),
}


def results(case: str, *devices: str) -> tuple[CheckResult, ...]:
    facts = Facts(catalogue.host(f"case-vfio-{case}"), Options(devices=devices))
    return diagnose(facts, REGISTRY)


@for_each("case", CASES)
def test_the_cause_leads_the_report(case: str) -> None:
    assert summarise(results(case)).root_causes[0] == CASES[case]


@for_each("case", SAID)
def test_what_is_said(case: str) -> None:
    text = " ".join(
        f"{diagnosis.finding.message} {diagnosis.finding.advice}"
        for result in results(case)
        for diagnosis in result.diagnoses
    )
    assert [words for words in SAID[case] if words not in text] == []


def test_no_check_of_the_area_breaks_anywhere() -> None:
    for name in catalogue.names():
        found = diagnose(Facts(catalogue.host(name)), REGISTRY, ("vfio",))
        assert not [r for r in found if r.status is Status.ERROR], name


def test_a_named_device_is_judged_though_nothing_else_says_it() -> None:
    named = results("05-ubuntu-nvidia-holds-both", "81:00.0")
    group = next(r for r in named if r.id == "vfio-group-shared")
    bound = next(r for r in named if r.id == "vfio-not-bound")
    assert group.status is Status.PASS
    (note,) = bound.diagnoses
    assert note.severity is Severity.INFO
    assert note.finding.subject == "0000:81:00.0"
