"""A server's console on its BMC stays, and VMs that start with the host are seen."""

from __future__ import annotations

import pytest

from support import hosts
from support.fixture_hosts.hardware import CORE_CPU, cpu
from support.fixture_hosts.parts import Parts, file
from support.machines import SYSFS, function, whole
from support.rows import for_each
from vfio_doctor.facts.base import CannotFix, Facts, Options
from vfio_doctor.facts.pci.binding import binding
from vfio_doctor.facts.pci.needs import HostNeeds
from vfio_doctor.facts.pci.verdict import Verdicts
from vfio_doctor.facts.vm_autostart import StartedVms
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.reader import Missing, Why
from vfio_doctor.host.redaction.redact import redact

BMC, CARD = "0000:04:00.0", "0000:01:00.0"
UNIT = {"/sys/class/iommu/dmar0": hosts.link("../../devices/virtual/dmar0")}
BASE = (
    Parts(folders=(*SYSFS, "/sys/class/leds"), stats=dict(UNIT)),
    cpu(*CORE_CPU),
    file("/proc/cmdline", "quiet\n"),
    function(CARD, "10de:2204", "030000", "vfio-pci", 1),
)
VM = """<domain type='kvm'><name>{}</name><devices>
<hostdev mode='subsystem' type='pci' managed='yes'><source>
<address domain='0' bus='1' slot='0' function='0'/></source></hostdev>
</devices></domain>"""
QEMU = "/etc/libvirt/qemu"
WEB = file(f"{QEMU}/web.xml", VM.format("web"))
LINK = file(f"{QEMU}/autostart/web.xml", VM.format("web"))
PVE = "hostpci0: 0000:01:00,pcie=1\nname: web\nonboot: {}\n"


@pytest.mark.parametrize(
    ("ids", "driver", "chip"),
    [
        ("1a03:2000", "ast", "ASPEED"),
        ("1a03:2000", "", "ASPEED"),
        ("102b:0536", "mgag200", "Matrox G200"),
        ("102b:0525", "", ""),
        ("19e5:1711", "hibmc-drm", "HiSilicon HiBMC"),
        ("1002:515e", "radeon", "ATI ES1000"),
        ("1002:67df", "amdgpu", ""),
    ],
)
@pytest.mark.parametrize("headless", [False, True])
def test_the_console_of_a_bmc_stays(
    ids: str, driver: str, chip: str, headless: bool
) -> None:
    host = whole(*BASE, function(BMC, ids, "030000", driver, 4))
    told = CapturedHost(redact(host.capture).capture)
    for each in (host, told):
        found = Facts(each, Options(headless=headless))[HostNeeds].of(BMC)
        said = [(need.why.id, dict(need.why.params).get("chip")) for need in found]
        assert (("need-console", chip) in said) is bool(chip)


def test_a_bridge_of_that_maker_is_no_console() -> None:
    host = whole(*BASE, function(BMC, "1a03:1150", "060400", "", 4))
    assert not Facts(host)[HostNeeds].of(BMC)


def test_it_is_never_bound_for_that_reason() -> None:
    host = whole(*BASE, function(BMC, "1a03:2000", "030000", "ast", 4))
    asked = Options(devices=(BMC,), bind=True, headless=True)
    with pytest.raises(CannotFix, match="the console of the server's BMC"):
        binding(BMC, Facts(host, asked))


@for_each(
    ("parts", "taken"),
    [
        ((WEB, LINK), ("web",)),
        ((WEB,), ()),
        ((file("/etc/pve/qemu-server/100.conf", PVE.format(1)),), ("web",)),
        ((file("/etc/pve/qemu-server/100.conf", PVE.format(0)),), ()),
    ],
    ids=["libvirt", "not started", "Proxmox", "not on boot"],
)
def test_a_vm_that_starts_with_the_host_takes_it(
    parts: tuple[Parts, ...], taken: tuple[str, ...]
) -> None:
    other = function(BMC, "1a03:2000", "030000", "ast", 4)
    host = whole(*BASE, other, *parts)
    facts = Facts(host, Options(headless=True))
    assert facts[StartedVms].having(CARD) == taken
    verdict = facts[Verdicts].by_address[CARD].words
    assert (verdict.id == "verdict-taken-at-start") is bool(taken)
    told = Facts(CapturedHost(redact(host.capture).capture))
    assert len(told[StartedVms].having(CARD)) == len(taken)


def test_who_starts_with_the_host_may_not_be_told() -> None:
    host = whole(*BASE, WEB)
    folder = f"{QEMU}/autostart"
    host.capture.lists[folder] = Missing(folder, Why.DENIED)
    assert Facts(host)[StartedVms].unseen


@for_each(
    ("ids", "kind", "driver", "stays"),
    [
        ("8086:0e2c", "080020", "", True),
        ("8086:0e28", "088000", "", True),
        ("8086:0e20", "088000", "ioatdma", False),
        ("1ac1:089a", "088000", "", False),
        ("8086:0eb2", "110100", "", True),
        ("10ec:5227", "080501", "rtsx_pci", False),
    ],
    ids=["APIC", "uncore", "DMA engine", "accelerator", "counters", "SD reader"],
)
def test_the_second_processors_bus_is_the_boards_too(
    ids: str, kind: str, driver: str, stays: bool
) -> None:
    bdf = "0000:80:05.4"
    host = whole(*BASE, function(bdf, ids, kind, driver, 31))
    verdict = Facts(host)[Verdicts].by_address[bdf].words
    assert (verdict.id == "verdict-chipset") is stays
    if stays:
        with pytest.raises(CannotFix, match="is a function of the chipset"):
            binding(bdf, Facts(host, Options(devices=(bdf,), bind=True)))
