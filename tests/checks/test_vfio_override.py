"""Devices that are meant for a VM: what cures them, and what would harm the host."""

from __future__ import annotations

from support import hosts
from support.fixture_hosts.hardware import CORE_CPU, cpu
from support.fixture_hosts.parts import Parts, file
from support.machines import SYSFS, function, result, whole
from vfio_doctor.checks.vfio.binding import VfioNotBound

BASE = (
    Parts(
        folders=SYSFS,
        stats={"/sys/class/iommu/dmar0": hosts.link("../../devices/virtual/iommu/x")},
    ),
    cpu(*CORE_CPU),
    file("/proc/cmdline", "quiet\n"),
    file("/proc/sys/kernel/osrelease", "6.12.5\n"),
)
FIRST, SECOND = "0000:01:00.0", "0000:02:00.0"
IDS = file("/etc/modprobe.d/vfio.conf", "options vfio-pci ids=144d:a808\n")


def disk(bdf: str, ids: str = "144d:a808", driver: str | None = "nvme") -> Parts:
    return function(bdf, ids, "010802", driver, int(bdf[6]))


def advice(*parts: Parts) -> dict[str, str]:
    found = result(whole(*BASE, *parts), VfioNotBound)
    return {d.finding.subject: str(d.finding.advice) for d in found.diagnoses}


def test_ids_of_two_disks_are_not_to_take_both() -> None:
    told = advice(disk(FIRST), disk(SECOND), IDS)
    assert set(told) == {FIRST, SECOND}
    for bdf, other in ((FIRST, SECOND), (SECOND, FIRST)):
        assert f"144d:a808 also stands for {other}" in told[bdf]
        assert "softdep" not in told[bdf]


def test_ids_of_one_disk_are_to_come_first() -> None:
    told = advice(disk(FIRST), disk(SECOND, "1987:5012"), IDS)
    assert "softdep nvme pre: vfio-pci" in told[FIRST]
