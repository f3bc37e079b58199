"""Siblings of the cases: ids that are written in a way nothing reads."""

from __future__ import annotations

from support.fixture_hosts import catalogue
from support.hosts import changed
from support.rows import for_each
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.facts.base import Facts
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.redaction.redact import redact
from vfio_doctor.model import Finding, Severity

REGISTRY = load()
AMD = catalogue.host("healthy-debian12-amd")
LINE = "/proc/cmdline"


def told(host: CapturedHost, check: str) -> list[tuple[Finding, Severity]]:
    """Return what is found; the same after redaction."""
    shared = CapturedHost(redact(host.capture).capture)
    both = [diagnose(Facts(one), REGISTRY, select=[check]) for one in (host, shared)]
    found = [[(d.finding, d.severity) for d in one.diagnoses] for (one,) in both]
    assert [f.message.id for f, _ in found[0]] == [f.message.id for f, _ in found[1]]
    return found[0]


SHAPES = (
    *("vfio_pci=ids=10de:2482", "vfio_pci=ids", "vfio-pci.ids:10de:2482,10de:228b"),
    *("VFIO-PCI.ids=10de:2482", "options vfio-pci ids=10de:2482,10de:228b"),
    *("vfio-pci.ids 10de:2482", "vfio-pci.ids= 10de:2482,10de:228b"),
    *("vfio-pci.ids=10de:2482;10de:228b", "vfio-pci.ids=10de:2482/10de:228b"),
)


@for_each("shape", SHAPES)
def test_ids_that_the_kernel_does_not_get(shape: str) -> None:
    host = changed(AMD, {LINE: f"quiet {shape}\n"})
    ((finding, severity),) = told(host, "iommu-argument-without-effect")
    assert severity is Severity.WARNING
    assert "can do without" in str(finding.advice)


def test_ids_with_0x_are_ids() -> None:
    host = changed(AMD, {LINE: "quiet vfio-pci.ids=0x10de:0x2482\n"})
    assert not told(host, "iommu-argument-without-effect")
    assert not told(host, "vfio-ids-match-nothing")


TURNED = {
    "2482:10de": "10de:2482 stands for 0000:08:00.0. Write that",
    "67df:1002": "the host keeps that: the firmware and the console draw on it",
    "1234:4321": "Compare it with the ids",
}


@for_each("item", TURNED)
def test_ids_the_other_way_round(item: str) -> None:
    host = changed(AMD, {LINE: f"quiet vfio-pci.ids={item}\n"})
    ((finding, _),) = told(host, "vfio-ids-match-nothing")
    assert TURNED[item] in str(finding.advice)


GONE = "0000:09:00.0"
BINDING = {
    f"/etc/driverctl.d/pci-{GONE}": "vfio-pci\n",
    "/boot/config/vfio-pci.cfg": f"BIND={GONE}|10de:2482\n",
    "/etc/initramfs-tools/scripts/init-top/vfio": (
        f"echo vfio-pci > /sys/bus/pci/devices/{GONE}/driver_override\n"
    ),
}


@for_each("path", BINDING)
def test_what_binds_an_address_without_a_device(path: str) -> None:
    host = changed(AMD, {path: BINDING[path]})
    ((finding, severity),) = told(host, "vfio-device-gone")
    assert finding.message.id == "vfio-device-gone-at-boot"
    assert (finding.subject, severity) == (GONE, Severity.WARNING)


def test_a_disk_of_a_pool_may_be_the_hosts() -> None:
    """Nothing in sysfs tells which drives a pool of ZFS is on."""
    vm = {"/etc/pve/qemu-server/100.conf": "memory: 512\nhostpci0: 0000:01:00.0\n"}
    pool = {**vm, "/proc/mounts": "rpool/ROOT/pve-1 / zfs rw 0 0\n"}
    ((finding, severity),) = told(changed(AMD, pool), "vfio-device-busy")
    assert (finding.message.id, severity) == ("vfio-busy-may-hold", Severity.INFO)
    assert "`zpool status -P`" in str(finding.advice)


def test_a_server_that_is_used_in_a_browser_needs_no_screen() -> None:
    own = "/sys/bus/pci/devices/0000:07:00.0/uevent"
    one_card = changed(AMD, {own: "DRIVER=ahci\nPCI_CLASS=10601\nPCI_ID=1022:7901\n"})
    pve = changed(one_card, {"/etc/pve/qemu-server/100.conf": "memory: 512\n"})
    for host, severity in ((one_card, Severity.WARNING), (pve, Severity.INFO)):
        ((finding, said),) = told(host, "vfio-display-lost")
        assert finding.message.id == "vfio-only-card"
        assert said is severity
