"""Devices that are meant for a VM: what cures them, and what would harm the host."""

from __future__ import annotations

import pytest

from support import hosts
from support.fixture_hosts.hardware import CORE_CPU, cpu
from support.fixture_hosts.parts import Parts, file
from support.fixture_hosts.recipes.passthrough import executable
from support.machines import PCI, SYSFS, function, result, whole
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


def override(value: str, bdf: str = FIRST) -> Parts:
    return file(f"{PCI}/{bdf}/driver_override", f"{value}\n")


def test_what_a_driver_has_is_unbound_first() -> None:
    told = advice(disk(FIRST), override("vfio-pci"))[FIRST]
    assert f"echo {FIRST} | sudo tee {PCI}/{FIRST}/driver/unbind" in told
    assert "sudo tee /sys/bus/pci/drivers_probe" in told
    assert f"driverctl set-override {FIRST} vfio-pci" in told
    assert "softdep" not in told
    assert told.startswith("First make sure that the host can do without")


@pytest.mark.parametrize(
    ("value", "right"),
    [("vfio-pci", "never-probed"), ("vfio_pci", "misspelt")],
)
def test_the_driver_has_a_hyphen_in_its_name(value: str, right: str) -> None:
    host = whole(*BASE, disk(FIRST, driver=None), override(value))
    (told,) = result(host, VfioNotBound).diagnoses
    assert told.finding.message.id == f"vfio-not-bound-{right}"
    assert ("echo vfio-pci" in str(told.finding.advice)) is (right == "misspelt")


def test_what_the_host_needs_is_not_unbound() -> None:
    block = f"../../devices/pci0000:00/{FIRST}/nvme/nvme0/nvme0n1/nvme0n1p2"
    mounted = Parts(
        {"/proc/mounts": "/dev/nvme0n1p2 / ext4 rw 0 0\n"},
        {"/sys/class/block/nvme0n1p2": hosts.link(block)},
    )
    told = advice(disk(FIRST), override("vfio-pci"), mounted)[FIRST]
    assert told.startswith("Do not give it away")
    assert "unbind" not in told


DRIVERCTL = f"/etc/driverctl.d/pci-{FIRST}"
INIT_TOP = "/etc/initramfs-tools/scripts/init-top/bind_vfio.sh"
WRITE = f"echo vfio-pci > {PCI}/{FIRST}/driver_override\n"
WRITERS = {
    "driverctl": (file(DRIVERCTL, "vfio-pci\n"), "sudo driverctl set-override"),
    "init-top": (file(INIT_TOP, WRITE), "sudo update-initramfs -u -k all"),
    "hook": (file("/etc/initcpio/hooks/vfio", WRITE), "sudo mkinitcpio -P"),
    "sysfsutils": (
        file("/etc/sysfs.conf", f"bus/pci/devices/{FIRST}/driver_override = vfio-pci"),
        "sysfsutils",
    ),
}


@pytest.mark.parametrize("driver", ["nvme", None])
@pytest.mark.parametrize("name", WRITERS)
def test_what_was_never_written_is_told(name: str, driver: str | None) -> None:
    writer, cure = WRITERS[name]
    told = advice(disk(FIRST, driver=driver), writer, override("(null)"))[FIRST]
    assert "Nothing has written vfio-pci to its driver_override" in told
    assert cure in told
    assert "modprobe vfio-pci" not in told
    assert "softdep" not in told


def test_what_modprobe_runs_waits_for_the_module() -> None:
    script = executable("/sbin/v.sh", f"{WRITE}modprobe -i vfio-pci\n")
    line = file("/etc/modprobe.d/v.conf", "install vfio-pci /sbin/v.sh\n")
    told = advice(disk(FIRST), script, line, override("(null)"))[FIRST]
    assert "softdep nvme pre: vfio-pci" in told


def test_an_override_that_was_not_read_tells_nothing() -> None:
    told = advice(disk(FIRST, driver=None), WRITERS["driverctl"][0])[FIRST]
    assert "Nothing has written" not in told


@pytest.mark.parametrize("name", ["none", "(none)", "null", "pci-stub", "nvidia"])
@pytest.mark.parametrize("driver", ["nvme", None])
def test_an_override_for_another_driver_keeps_vfio_pci_out(
    name: str, driver: str | None
) -> None:
    host = whole(*BASE, IDS, disk(FIRST, driver=driver), override(name))
    (told,) = result(host, VfioNotBound).diagnoses
    assert f"driver_override says {name}:" in str(told.finding.message)
    assert f"echo vfio-pci | sudo tee {PCI}/{FIRST}/driver_override" in str(
        told.finding.advice
    )
    assert ("driver/unbind" in str(told.finding.advice)) is (driver is not None)
    assert "ids" not in str(told.finding.advice)


@pytest.mark.parametrize("word", ["pci-stub.ids=144d:a808", "pci_stub.ids=144d:a808"])
@pytest.mark.parametrize("driver", ["nvme", "pci-stub", "vfio-pci", None])
def test_pci_stub_that_came_too_late(word: str, driver: str | None) -> None:
    line = file("/proc/cmdline", f"quiet {word}\n")
    found = result(whole(*BASE, line, disk(FIRST, driver=driver)), VfioNotBound)
    late = driver == "nvme"
    assert [d.finding.message.id for d in found.diagnoses] == (
        ["vfio-not-bound-stub-late"] if late else []
    )
    assert all(d.fix is None or d.fix.cannot for d in found.diagnoses)


def test_ids_of_pci_stub_in_modprobe_d_count_too() -> None:
    line = file("/etc/modprobe.d/s.conf", "options pci-stub ids=144d:a808\n")
    told = advice(line, disk(FIRST))[FIRST]
    assert "Take its ids out of /etc/modprobe.d/s.conf:1" in told
