"""Settings of vfio-pci that do nothing: false alarms and their neighbours."""

from __future__ import annotations

import pytest

from support import hosts
from support.fixture_hosts.hardware import CORE_CPU, cpu
from support.fixture_hosts.parts import Parts, file
from support.fixture_hosts.recipes.passthrough import vm
from support.machines import SYSFS, function, result, whole
from support.rows import for_each
from vfio_doctor.checks.vfio.lists import VfioIdsOverridden
from vfio_doctor.checks.vfio.module import (
    VfioModuleBlacklisted,
    VfioSettingUnread,
    VfioVirqfdMerged,
)
from vfio_doctor.diagnosis.areas import unwanted
from vfio_doctor.facts.base import Facts
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.model import Severity, Status

IDS = "options vfio-pci ids=10de:2482\n"
BASE = (
    Parts(folders=SYSFS),
    cpu(*CORE_CPU),
    file("/proc/cmdline", "quiet\n"),
    file("/proc/modules", "kvm 1 0 - Live 0x0\n"),
    file("/proc/sys/kernel/osrelease", "6.12.5\n"),
    file("/etc/modprobe.d/other.conf", "options kvm ignore_msrs=1\n"),
    function("0000:08:00.0", "10de:2482", "030000", "nvidia", 1),
)


def host(*parts: Parts) -> CapturedHost:
    return whole(*BASE, *parts)


@for_each(
    ("path", "text", "right"),
    [
        ("/etc/modprobe.d/vfio", IDS, True),
        ("/etc/modprobe.d/vfio.txt", IDS, True),
        ("/etc/modprobe.d/vfio.conf", "option vfio-pci ids=10de:2482\n", True),
        ("/etc/modprobe.d/vfio.conf", "options ids=10de:2482\n", True),
        ("/etc/modprobe.d/vfio.conf", "options vfio ids=10de:2482\n", True),
        ("/etc/modprobe.d/vfio.conf", "options vfio-pci id=10de:2482\n", True),
        ("/etc/modprobe.d/vfio.conf", "options vfio-pci ids = 10de:2482\n", True),
        ("/etc/modprobe.d/vfio.conf", "options vfio-pci ids 10de:2482\n", True),
        ("/etc/modprobe.d/vfio.conf", f"{IDS[:-1]} disable_vga=1\n", False),
        ("/etc/modprobe.d/vfio.conf", "options vfio_iommu_type1 x=1\n", False),
        ("/etc/modprobe.d/vfio.conf", f"#{IDS}", False),
        ("/etc/modprobe.d/vfio.conf", IDS, False),
        ("/etc/modprobe.d/vfio.conf.bak", IDS, False),
        ("/etc/modprobe.d/vfio.conf~", IDS, False),
        ("/etc/modprobe.d/vfio.disabled", IDS, False),
        ("/etc/modprobe.d/vfio.txt", f"# {IDS}", False),
    ],
)
def test_what_modprobe_skips(path: str, text: str, right: bool) -> None:
    on = host(file(path, text))
    found = result(on, VfioSettingUnread)
    assert [d.severity for d in found.diagnoses] == [Severity.WARNING] * right


def test_ids_from_elsewhere_make_it_a_note() -> None:
    on = host(
        file("/etc/modprobe.d/vfio.txt", IDS), file("/etc/modprobe.d/v.conf", IDS)
    )
    (found,) = result(on, VfioSettingUnread).diagnoses
    assert found.severity is Severity.INFO


@pytest.mark.parametrize(
    ("parts", "right"),
    [
        ((file("/etc/modprobe.d/b.conf", "blacklist vfio_pci\n"),), Status.FAIL),
        (
            (file("/etc/modprobe.d/b.conf", "install vfio-pci /bin/false\n"),),
            Status.FAIL,
        ),
        ((file("/proc/cmdline", "module_blacklist=vfio_pci\n"),), Status.FAIL),
        ((), Status.PASS),
        (
            (
                file("/etc/modprobe.d/b.conf", "blacklist vfio_pci\n"),
                file("/proc/modules", "vfio_pci 1 0 - Live 0x0\n"),
            ),
            Status.PASS,
        ),
    ],
)
def test_a_blacklisted_module(parts: tuple[Parts, ...], right: Status) -> None:
    assert result(host(vm("08:00.0"), *parts), VfioModuleBlacklisted).status is right


@for_each(
    ("parts", "advice"),
    [
        (file("/etc/modprobe.d/b.conf", "blacklist vfio_pci\n"), "take-out"),
        (file("/etc/modprobe.d/b.conf", "install vfio-pci /bin/false\n"), "take-out"),
        (file("/proc/cmdline", "module_blacklist=vfio_pci\n"), "take-out-argument"),
        (file("/proc/cmdline", "modprobe.blacklist=vfio-pci\n"), "take-out-argument"),
    ],
)
def test_what_lets_the_module_in_again(parts: Parts, advice: str) -> None:
    (found,) = result(host(vm("08:00.0"), parts), VfioModuleBlacklisted).diagnoses
    assert found.finding.advice is not None
    assert found.finding.advice.id == f"vfio-module-{advice}"


@pytest.mark.parametrize(
    ("release", "right"),
    [
        ("6.12.5", Status.FAIL),
        ("6.2.0-26-generic", Status.FAIL),
        ("6.1.0-28-amd64", Status.NOT_APPLICABLE),
    ],
)
def test_virqfd_is_gone_since_6_2(release: str, right: Status) -> None:
    on = host(
        vm("08:00.0"),
        file("/proc/sys/kernel/osrelease", f"{release}\n"),
        file("/etc/modules-load.d/vfio.conf", "vfio_virqfd\n"),
    )
    assert result(on, VfioVirqfdMerged).status is right


def test_a_file_that_nothing_reads_asks_for_the_rules() -> None:
    stray = host(file("/etc/modprobe.d/vfio.txt", IDS))
    assert "vfio" not in unwanted(Facts(stray), ())
    assert "vfio" in unwanted(Facts(host()), ())


NVME = function("0000:09:00.0", "144d:a80a", "010802", "nvme", 2)
MOUNTED = file("/proc/mounts", "/dev/sda1 / ext4 rw 0 0\n")
SDA = {"/sys/class/block/sda1": hosts.link("../../devices/pci0000:00/0000:00:17.0/x")}


@pytest.mark.parametrize(
    ("words", "text", "advice"),
    [
        ("vfio-pci.ids=144d:a80a vfio-pci.ids=10de:2482", "", "10de:2482,144d:a80a"),
        ("vfio-pci.ids=10de:2482", "options vfio-pci ids=144d:a80a\n", "one list"),
        ("vfio-pci.ids=10de:2482,144d:a80a", "options vfio-pci ids=144d:a80a\n", ""),
        ("vfio-pci.ids=1234:5678 vfio-pci.ids=10de:2482", "", ""),
        ("vfio-pci.ids=10de:2482", "", ""),
    ],
    ids=["two arguments", "a file", "in both", "no such device", "one list"],
)
def test_the_last_list_counts(words: str, text: str, advice: str) -> None:
    conf = (file("/etc/modprobe.d/v.conf", text),) if text else ()
    line = file("/proc/cmdline", f"quiet {words}\n")
    drive = Parts(stats=dict(SDA))
    found = result(host(NVME, MOUNTED, drive, line, *conf), VfioIdsOverridden)
    said = [str(d.finding.advice) for d in found.diagnoses]
    assert len(said) == bool(advice)
    assert all(advice in each for each in said)


def test_what_the_host_needs_is_not_to_be_joined() -> None:
    line = "quiet vfio-pci.ids=144d:a80a vfio-pci.ids=10de:2482\n"
    root = file("/proc/mounts", "/dev/nvme0n1p1 / ext4 rw 0 0\n")
    drive = "../../devices/pci0000:00/0000:09:00.0/nvme/nvme0/nvme0n1/nvme0n1p1"
    link = Parts(stats={"/sys/class/block/nvme0n1p1": hosts.link(drive)})
    found = result(
        host(NVME, root, link, file("/proc/cmdline", line)), VfioIdsOverridden
    )
    (one,) = found.diagnoses
    assert "the host may need 0000:09:00.0" in str(one.finding.advice)
    assert "one list" not in str(one.finding.advice)
