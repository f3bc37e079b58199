"""Switches of VFIO's modules: what is on, who set it, and whether it is needed."""

from __future__ import annotations

from support.fixture_hosts import catalogue
from support.hosts import changed, denied, ran
from support.rows import for_each
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.facts.base import Facts
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.redaction.redact import redact
from vfio_doctor.model import CheckResult, Status

REGISTRY = load()
CARD = catalogue.host("healthy-debian12-amd")
MODE, UNSAFE = "vfio-no-iommu-mode", "vfio-unsafe-interrupts"
SHOWN = "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode"
TYPE1 = "/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts"
IOMMUFD = "/sys/module/iommufd/parameters/allow_unsafe_interrupts"
FILE = "/etc/modprobe.d/vfio.conf"
CPU = "/proc/cpuinfo"


def result(host: CapturedHost, check: str) -> CheckResult:
    """Return how a check ends, which must be the same after redaction."""
    (told,) = diagnose(Facts(host), REGISTRY, select=[check])
    shared = CapturedHost(redact(host.capture).capture)
    (again,) = diagnose(Facts(shared), REGISTRY, select=[check])
    assert (told.status, said(told)) == (again.status, said(again))
    return told


def said(found: CheckResult) -> list[tuple[str, str]]:
    """Return how each finding ends: its severity, and what to do first."""
    return [
        (d.severity.word, d.finding.advice.id if d.finding.advice else "")
        for d in found.diagnoses
    ]


def with_argument(word: str) -> dict[str, str]:
    line = CARD.capture.files["/proc/cmdline"]
    assert isinstance(line, bytes)
    return {"/proc/cmdline": line.decode().replace("quiet", f"quiet {word}")}


SCRIPT, IN_FILE, ARGUMENT, ENDS = (
    f"vfio-switch-{end}"
    for end in ("by-script", "take-out", "take-out-argument", "ends")
)
NEXT = "/boot/grub/grub.cfg"


def at_next_boot(word: str) -> dict[str, str]:
    menu = CARD.capture.files[NEXT]
    assert isinstance(menu, bytes)
    return {NEXT: menu.decode().replace(" quiet", f" quiet {word}")}


SET = "vfio.enable_unsafe_noiommu_mode=1"
MODES = {
    "off": ({SHOWN: "N\n"}, []),
    "not built": ({}, []),
    "by a script": ({SHOWN: "Y\n"}, [("info", SCRIPT)]),
    "by a file": (
        {SHOWN: "Y\n", FILE: "options vfio enable_unsafe_noiommu_mode=1\n"},
        [("info", IN_FILE)],
    ),
    "without a value": (
        {FILE: "options vfio enable_unsafe_noiommu_mode\n"},
        [("info", IN_FILE)],
    ),
    "switched off later": (
        {
            FILE: "options vfio enable_unsafe_noiommu_mode=1\n"
            "options vfio enable_unsafe_noiommu_mode=0\n"
        },
        [],
    ),
    "by an argument": (
        {SHOWN: "Y\n", **with_argument(SET), **at_next_boot(SET)},
        [("info", ARGUMENT)],
    ),
    "by an argument of the next boot": (at_next_boot(SET), [("info", ARGUMENT)]),
    "by an argument that is gone at the next boot": (
        {SHOWN: "Y\n", **with_argument(SET)},
        [("info", ENDS)],
    ),
}


@for_each("row", MODES)
def test_no_iommu_mode_with_an_iommu_is_a_note(row: str) -> None:
    files, expected = MODES[row]
    assert said(result(changed(CARD, files), MODE)) == expected


@for_each(
    ("shown", "message"),
    [("Y\n", MODE), ("N\n", f"{MODE}-ahead")],
)
def test_what_is_only_set_is_not_said_to_be_on(shown: str, message: str) -> None:
    files = {SHOWN: shown, FILE: "options vfio enable_unsafe_noiommu_mode=1\n"}
    (found,) = result(changed(CARD, files), MODE).diagnoses
    assert found.finding.message.id == message


def test_without_an_iommu_it_is_a_warning_and_the_cure_is_named() -> None:
    (found,) = result(catalogue.host(MODE), MODE).diagnoses
    assert found.severity.word == "warning"
    assert "see iommu-off" in str(found.finding.advice)


def test_in_a_virtual_machine_it_is_a_note() -> None:
    host = catalogue.host(MODE)
    text = host.capture.files[CPU]
    assert isinstance(text, bytes)
    guest = text.decode().replace("fpu", "fpu hypervisor")
    assert said(result(changed(host, {CPU: guest}), MODE))[0][0] == "info"


UNNEEDED = {
    "off": ({TYPE1: "N\n"}, []),
    "on": ({TYPE1: "Y\n"}, [("info", SCRIPT)]),
    "iommufd's": ({IOMMUFD: "Y\n"}, [("info", SCRIPT)]),
    "by a file, not loaded yet": (
        {FILE: "options vfio_iommu_type1 allow_unsafe_interrupts=1\n"},
        [("info", IN_FILE)],
    ),
    "with a dash": (
        {FILE: "options vfio-iommu-type1 allow_unsafe_interrupts=Y\n"},
        [("info", IN_FILE)],
    ),
    "by an argument": (
        at_next_boot("vfio_iommu_type1.allow_unsafe_interrupts=1"),
        [("info", ARGUMENT)],
    ),
}


@for_each("row", UNNEEDED)
def test_unsafe_interrupts_where_they_are_remapped(row: str) -> None:
    files, expected = UNNEEDED[row]
    assert said(result(changed(CARD, files), UNSAFE)) == expected


def test_where_they_are_not_remapped_nothing_is_said() -> None:
    found = result(catalogue.host(f"{UNSAFE}-needed"), UNSAFE)
    assert found.status is Status.NOT_APPLICABLE


ARM = "processor\t: 0\nCPU implementer\t: 0x41\nCPU architecture: 8\n"


@for_each(
    ("files", "status"),
    [
        ({CPU: ARM}, Status.NOT_APPLICABLE),
        ({"/proc/interrupts": "  1: 0 XIVE 1 x\n"}, Status.UNKNOWN),
    ],
)
def test_where_nothing_tells_it_is_not_said_to_be_needed(
    files: dict[str, str], status: Status
) -> None:
    (found,) = diagnose(
        Facts(changed(CARD, {TYPE1: "Y\n", **files})), REGISTRY, select=[UNSAFE]
    )
    assert found.status is status
    assert found.reason
    assert found.reason.id != f"{UNSAFE}-needed"


@for_each("path", [SHOWN, TYPE1, FILE])
def test_what_may_not_be_read_is_not_healthy(path: str) -> None:
    check = MODE if path == SHOWN else UNSAFE
    host = changed(CARD, {path: denied(path)})
    (found,) = diagnose(Facts(host), REGISTRY, select=[check])
    assert found.status is Status.UNKNOWN


def test_without_a_device_for_a_vm_nothing_is_judged() -> None:
    host = catalogue.host("healthy-fedora-no-looking-glass")
    files = {SHOWN: "Y\n", TYPE1: "Y\n"}
    on = changed(host, files, commands={("dmesg",): ran(("dmesg",), "")})
    for check in (MODE, UNSAFE):
        (found,) = diagnose(Facts(on), REGISTRY, select=[check])
        assert found.status is Status.NOT_APPLICABLE
