"""No host gets advice for another one's init system."""

from __future__ import annotations

from support import hosts
from support.fixture_hosts import catalogue
from support.rows import for_each
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.facts.base import Facts
from vfio_doctor.facts.init import OTHERS, SYSTEMD, Init
from vfio_doctor.facts.udev import SystemdVersion

SICK = ("iommu-off-in-firmware", "debian12-virtualization-off", "debian12-kvm-busy")


@for_each("mark", OTHERS)
def test_another_init_is_known_by_its_marks(mark: str) -> None:
    assert Facts(hosts.build({}))[Init].systemd
    assert not Facts(hosts.build({mark: ""}))[Init].systemd
    assert Facts(hosts.build({mark: "", SYSTEMD: ""}))[Init].systemd


@for_each("name", SICK)
def test_no_systemd_no_advice_for_it(name: str) -> None:
    host = hosts.changed(catalogue.host(name), files={"/run/openrc": ""})
    told = [
        str(found.finding.advice)
        for result in diagnose(Facts(host), load(), ("cpu", "iommu", "kvm"))
        for found in result.diagnoses
    ]
    assert told
    assert not [text for text in told if "journalctl" in text or "systemctl" in text]


def test_udev_without_systemd_tells_its_version() -> None:
    argv = ("udevadm", "--version")
    host = hosts.build({}, commands={argv: hosts.ran(argv, "257\n")})
    assert str(Facts(host)[SystemdVersion].version) == "257"
