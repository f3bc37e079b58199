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


MARKS = ("/run/openrc", "/run/runit", "/etc/dinit.d/boot", "/run/s6-rc")
OF_SYSTEMD = ("systemctl", "journalctl", "systemd")
KVMFR_SICK = (
    *("void-vm-daemon-not-linked", "gentoo-vm-daemon-not-added"),
    *("bluefin-vm-default-list", "bluefin-vm-two-daemons", "debian12-vm-apparmor"),
    *("debian12-shared-memory-unmade", "bluefin-vm-namespaces-text"),
)


@for_each(("mark", "name"), [(m, n) for m in MARKS for n in KVMFR_SICK])
def test_no_word_of_systemd_about_libvirt(mark: str, name: str) -> None:
    units = ("/usr/lib/systemd", "/etc/systemd", SYSTEMD, "/run/openrc", "/run/runit")
    bare = hosts.changed(catalogue.host(name), absent=units)
    passwd = bare.read_bytes("/etc/passwd")
    assert isinstance(passwd, bytes)
    poorer = passwd.replace(b"qemu:", b"was:").replace(b"libvirt-was:", b"was:")
    for accounts in (passwd, poorer):
        host = hosts.changed(bare, files={mark: "", "/etc/passwd": accounts.decode()})
        found = [
            each
            for result in diagnose(Facts(host), load(), ("kvmfr", "libvirt"))
            for each in result.diagnoses
        ]
        told = [str(each.finding.advice) for each in found]
        told += [str(f.fix.cannot or f.fix.summary) for f in found if f.fix]
        assert told or accounts is passwd
        assert not [t for t in told if any(word in t for word in OF_SYSTEMD)], told


def test_udev_without_systemd_tells_its_version() -> None:
    argv = ("udevadm", "--version")
    host = hosts.build({}, commands={argv: hosts.ran(argv, "257\n")})
    assert str(Facts(host)[SystemdVersion].version) == "257"
