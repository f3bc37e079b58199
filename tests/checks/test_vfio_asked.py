"""A device that only the command line names, and hosts where nothing names one."""

from __future__ import annotations

from support.fixture_hosts import catalogue
from support.fixture_hosts.parts import Parts, file
from support.fixture_hosts.recipes.passthrough import domain
from support.machines import PCI, function, whole
from support.rows import for_each
from support.with_cards import BASE, CARD, NVME, OWN, boot_vga, card, own
from vfio_doctor.checks.boot.unnamed import VfioNothingNamed
from vfio_doctor.checks.vfio.binding import VfioNotBound
from vfio_doctor.checks.vfio.ids import VfioDeviceGone
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import Registry, load
from vfio_doctor.diagnosis.report import assemble
from vfio_doctor.facts.base import Facts, Options
from vfio_doctor.fixes.vfio.binding import BindCard
from vfio_doctor.model import CheckResult, RunInfo, Severity, Status
from vfio_doctor.report.order import failed

NIC = "0000:04:00.0"
DRM = "/sys/class/drm"
LIT = Parts(
    {
        f"{PCI}/{OWN}/drm/card0/uevent": "",
        f"{DRM}/card0-DP-1/status": "connected\n",
        f"{DRM}/card0-DP-1/enabled": "enabled\n",
        f"{PCI}/{CARD}/drm/card1/uevent": "",
        f"{DRM}/card1-DP-2/status": "disconnected\n",
    }
)
SCREEN = (own("i915"), boot_vga(OWN), LIT)


def asked(device: str, *parts: Parts) -> CheckResult:
    facts = Facts(whole(*BASE, *parts), Options(devices=(device,)))
    return diagnose(facts, Registry((VfioNotBound,), (BindCard,), (), ()))[0]


@for_each(
    ("device", "parts", "right"),
    [
        (CARD, (card("amdgpu"), *SCREEN), "vfio-asked-free"),
        (CARD, (card("amdgpu"), own("i915"), boot_vga(CARD)), "vfio-asked-stays"),
        (CARD, (card("amdgpu"),), "vfio-asked-stays"),
        (CARD, (card(None), *SCREEN), "vfio-asked-idle"),
        (NVME, (), "vfio-asked-stays"),
        (NIC, (function(NIC, "8086:1521", "020000", "igb", 4),), "vfio-asked-unsure"),
    ],
    ids=["free", "its screen", "the only one", "no driver", "root on it", "route"],
)
def test_what_stands_in_the_way(
    device: str, parts: tuple[Parts, ...], right: str
) -> None:
    (found,) = asked(device, *parts).diagnoses
    assert (found.finding.message.id, found.severity) == (right, Severity.INFO)
    # What is refused is never offered beside the reason.
    offered = found.fix is not None and found.fix.cannot is None
    assert offered <= (right not in ("vfio-asked-stays", "vfio-asked-unsure"))


def test_what_a_driver_of_vfio_has_needs_no_word() -> None:
    assert asked(CARD, card("vfio-pci"), *SCREEN).status is Status.PASS


def test_a_card_is_told_once() -> None:
    sound = function("0000:01:00.1", "10de:228b", "040300", "snd_hda_intel", 1)
    facts = Facts(
        whole(*BASE, card("amdgpu"), sound, *SCREEN),
        Options(devices=("01:00.0", "01:00.1")),
    )
    result = diagnose(facts, Registry((VfioNotBound,), (), (), ()))[0]
    (found,) = result.diagnoses
    assert "0000:01:00.0 and 0000:01:00.1 could be given" in str(found.finding.message)


SMBUS = function("0000:00:1f.4", "8086:a123", "0c0500", "i801_smbus", 7)
DISKS = function("0000:01:00.1", "1b21:1064", "010601", "ahci", 1)


def advice_for(ids: str, *parts: Parts) -> str:
    line = file("/proc/cmdline", f"quiet vfio-pci.ids={ids}\n")
    facts = Facts(whole(*BASE, *SCREEN, *parts, line))
    result = diagnose(facts, Registry((VfioNotBound,), (BindCard,), (), ()))[0]
    return " ".join(str(d.finding.advice) for d in result.diagnoses)


def test_what_the_chipset_needs_is_not_to_be_given_away() -> None:
    said = advice_for("8086:a123", SMBUS)
    assert "Do not give it away" in said
    assert "softdep" not in said


def test_a_sibling_that_the_host_may_need_is_not_simply_added() -> None:
    said = advice_for("10de:2482", card("vfio-pci"), DISKS, file("/proc/mounts", ""))
    assert said.startswith("First make sure that the host can do without 0000:01:00.1")


def test_what_is_named_and_not_there_is_said() -> None:
    for named in ("0b:00.0", "10de:9999"):
        facts = Facts(whole(*BASE, card("vfio-pci")), Options(devices=(named,)))
        result = diagnose(facts, Registry((VfioDeviceGone,), (), (), ()))[0]
        assert [d.finding.message.id for d in result.diagnoses] == [
            "vfio-device-gone-asked"
        ]


@for_each(
    ("parts", "said"),
    [
        (
            file("/etc/driverctl.d/0000:01:00.0", "vfio-pci\n"),
            "driverctl set-override 0000:01:00.0",
        ),
        (
            file("/etc/libvirt/qemu/w.xml", domain("01:00.0").replace("'yes'", "'no'")),
            "set managed='yes'",
        ),
        (
            file("/boot/config/vfio-pci.cfg", "BIND=0000:01:00.0|10de:2482\n"),
            "Unraid reads that file",
        ),
        (file("/proc/cmdline", "vfio-pci.ids=10de:2482\n"), "softdep nouveau pre"),
    ],
    ids=["driverctl", "not managed", "Unraid", "ids"],
)
def test_to_be_loaded_first_helps_only_what_is_bound_by_ids(
    parts: Parts, said: str
) -> None:
    facts = Facts(whole(*BASE, *SCREEN, card("nouveau"), parts))
    (found,) = diagnose(facts, Registry((VfioNotBound,), (), (), ()))[0].diagnoses
    advice = str(found.finding.advice)
    assert said in advice
    assert ("softdep" in advice) is ("softdep" in said)


def unnamed(*parts: Parts, line: str = "intel_iommu=on") -> CheckResult:
    facts = Facts(whole(*BASE, *parts, file("/proc/cmdline", f"quiet {line}\n")))
    return diagnose(facts, Registry((VfioNothingNamed,), (), (), ()))[0]


def said(found: CheckResult) -> list[str]:
    return [d.finding.message.id for d in found.diagnoses]


TWO = (card("nvidia"), own("nvidia", "10de:1b80"))


def test_nvidia_has_both() -> None:
    assert said(unnamed(*TWO)) == ["vfio-unnamed-nvidia"]
    assert said(unnamed(card("nvidia"), own("i915"))) == []
    assert unnamed(*TWO, line="").status is Status.NOT_APPLICABLE
    assert unnamed(card("vfio-pci"), own("nvidia")).status is Status.NOT_APPLICABLE


def test_one_card() -> None:
    assert said(unnamed(card("amdgpu"), line="iommu=pt")) == ["vfio-unnamed-one-card"]
    assert said(unnamed(line="iommu=pt")) == []


def test_the_note_on_cards_comes_before_what_explains_nothing() -> None:
    host = catalogue.host("case-vfio-05-ubuntu-nvidia-holds-both")
    facts = Facts(host)
    report = assemble(host, facts, diagnose(facts, load()), RunInfo("", 0, "a test"))
    assert failed(report)[0].id == "vfio-nothing-named"
