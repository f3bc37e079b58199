"""A live medium is told from a system that is installed."""

from __future__ import annotations

from support import hosts
from support.rows import for_each
from vfio_doctor.facts.base import Facts
from vfio_doctor.facts.live_medium import LiveMedium


def mark(cmdline: str, root: str = "/dev/nvme0n1p2 / ext4 rw 0 0") -> str:
    files = {"/proc/cmdline": f"{cmdline}\n", "/proc/mounts": f"{root}\n"}
    return Facts(hosts.build(files))[LiveMedium].mark


@for_each(
    ("cmdline", "shown"),
    [
        ("BOOT_IMAGE=x root=live:CDLABEL=Fedora rd.live.image", "root=live:"),
        ("boot=live components quiet", "boot=live"),
        ("boot=casper maybe-ubiquity", "boot=casper"),
        ("archisobasedir=arch archisosearchuuid=x", "archisobasedir=arch"),
    ],
)
def test_arguments_of_live_media(cmdline: str, shown: str) -> None:
    assert mark(cmdline).startswith(shown)


@for_each("name", ["airootfs", "/cow", "LiveOS_rootfs"])
def test_a_root_that_is_gone_at_the_end(name: str) -> None:
    assert mark("quiet", f"{name} / overlay rw,upperdir=/x 0 0")


@for_each(
    ("cmdline", "root"),
    [
        ("root=UUID=1 quiet boot=local", "/dev/sda2 / ext4 rw 0 0"),
        ("root=UUID=1 ostree=/x", "composefs / overlay ro 0 0"),
        ("quiet", "/dev/sda1 / ext4 rw 0 0\noverlay /var/lib/docker overlay rw 0 0"),
    ],
)
def test_installed_systems_are_none(cmdline: str, root: str) -> None:
    assert mark(cmdline, root) == ""
