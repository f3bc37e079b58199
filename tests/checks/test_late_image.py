"""Why vfio-pci comes too late: what the initramfs is made from."""

from __future__ import annotations

from support import hosts
from support.fixture_hosts.hardware import CORE_CPU, cpu
from support.fixture_hosts.parts import Parts, file
from support.machines import SYSFS, function, result, whole
from support.rows import for_each
from vfio_doctor.checks.vfio.binding import VfioNotBound
from vfio_doctor.host.reader import Kind, Stat
from vfio_doctor.model import Finding

MODPROBE = "/etc/modprobe.d/vfio.conf"
RELEASE = "6.12.5"
UNIT = {"/sys/class/iommu/dmar0": hosts.link("../../devices/virtual/iommu/dmar0")}
BASE = (
    Parts(folders=SYSFS, stats=dict(UNIT)),
    cpu(*CORE_CPU),
    file("/proc/cmdline", "quiet\n"),
    file("/proc/modules", "kvm 1 0 - Live 0x0\n"),
    file("/proc/sys/kernel/osrelease", f"{RELEASE}\n"),
    function("0000:01:00.0", "10de:2482", "030000", "nouveau", 1),
    function("0000:02:00.0", "1002:67df", "030000", "amdgpu", 2),
)
IDS = file(MODPROBE, "options vfio-pci ids=10de:2482\n")
MKINITCPIO, DRACUT = "/etc/mkinitcpio.conf", "/etc/dracut.conf.d/vfio.conf"
TOOLS = "/etc/initramfs-tools/modules"
OSTREE = file("/run/ostree-booted", "")
ARGUMENT = file("/proc/cmdline", "quiet vfio-pci.ids=10de:2482\n")


def at(path: str, when: int) -> Parts:
    stat = Stat(Kind.FILE, 0o644, 0, 0, "root", "root", size=9, mtime=when)
    return Parts(stats={path: stat})


def dated(image: int, config: int) -> tuple[Parts, ...]:
    return (at(f"/boot/initrd.img-{RELEASE}", image), at(MODPROBE, config))


def finding(*parts: Parts) -> Finding:
    (found,) = result(whole(*BASE, *parts), VfioNotBound).diagnoses
    return found.finding


@for_each(
    ("parts", "cure"),
    [
        (
            (IDS, file(MKINITCPIO, "MODULES=(nouveau vfio_pci vfio)\n")),
            "nouveau loaded before",
        ),
        ((IDS, file(MKINITCPIO, "MODULES=(vfio_pci vfio nouveau)\n")), "softdep"),
        ((IDS, file(TOOLS, "nouveau\nvfio_pci\n")), "nouveau loaded before"),
        ((IDS, file(TOOLS, "vfio_pci\nnouveau\n")), "softdep"),
        ((IDS, file(DRACUT, 'add_drivers+=" vfio vfio-pci "\n')), "force_drivers"),
        ((IDS, file(DRACUT, 'force_drivers+=" vfio vfio-pci "\n')), "softdep"),
        ((IDS, *dated(1000, 2000)), "update-initramfs"),
        ((IDS, *dated(2000, 1000)), "softdep"),
        ((IDS, *dated(0, 0)), "softdep"),
        ((ARGUMENT, OSTREE), "rpm-ostree kargs"),
        ((IDS, OSTREE), "--append-if-missing=vfio-pci.ids=10de:2482`"),
        (
            (
                file(MODPROBE, "options vfio-pci ids=144d:a80a\n"),
                function("0000:03:00.0", "144d:a80a", "010802", "nvme", 3),
                OSTREE,
            ),
            "--append-if-missing=vfio-pci.ids=144d:a80a`",
        ),
        ((IDS,), "softdep"),
    ],
    ids=[
        *("mkinitcpio's order", "good order", "initramfs-tools' order", "good list"),
        *("dracut adds", "dracut forces", "old image", "new image", "no times"),
        *("image-based", "ids in a file", "a drive", "nothing tells"),
    ],
)
def test_the_cure_follows_from_the_image(parts: tuple[Parts, ...], cure: str) -> None:
    assert cure in str(finding(*parts).advice)


def test_what_is_wrong_with_the_image_is_shown() -> None:
    found = finding(IDS, file(DRACUT, 'add_drivers+=" vfio-pci "\n'))
    assert [str(row.source) for row in found.evidence][-1] == DRACUT


def test_an_early_argument_makes_adding_enough() -> None:
    early = file("/proc/cmdline", "quiet rd.driver.pre=vfio-pci\n")
    added = file(DRACUT, 'add_drivers+=" vfio-pci "\n')
    assert "force_drivers" not in str(finding(IDS, early, added).advice)
