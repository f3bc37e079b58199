"""What the host must keep is followed through all that lies between."""

from __future__ import annotations

from support import hosts
from support.fixture_hosts.hardware import CORE_CPU, cpu
from support.fixture_hosts.parts import Parts, file
from support.machines import PCI, SYSFS, function, whole
from vfio_doctor.facts.base import Facts
from vfio_doctor.facts.pci.needs import HostNeeds
from vfio_doctor.facts.pci.verdict import Verdicts
from vfio_doctor.host.reader import Missing, Stat, Why

NVME, SATA, NIC = "0000:02:00.0", "0000:00:17.0", "0000:03:00.0"
CARD, USB = "0000:01:00.0", "0000:00:14.0"
BLOCK, NET = "/sys/class/block", "/sys/class/net"
DEVICES = "../../devices/pci0000:00"
Links = dict[str, Stat | Missing]
UNIT: Links = {"/sys/class/iommu/dmar0": hosts.link("../../devices/virtual/dmar0")}
BASE = (
    Parts(folders=(*SYSFS, "/sys/class/leds"), stats=UNIT),
    cpu(*CORE_CPU),
    function(NVME, "144d:a808", "010802", "nvme", 2),
    function(SATA, "8086:7ae2", "010601", "ahci", 3),
    function(NIC, "10ec:8168", "020000", "r8169", 4),
    function(USB, "8086:7ae0", "0c0330", "xhci_hcd", 5),
    function(CARD, "10de:1b80", "030000", "nvidia", 1),
)
HEAD = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n"
ROUTE = file("/proc/net/route", f"{HEAD}br0\t00000000\t0\t3\t0\t0\t0\t00000000\n")


def links(**targets: str) -> Links:
    return {f"{BLOCK}/{name}": hosts.link(to) for name, to in targets.items()}


def needs(*parts: Parts, denied: str = "") -> dict[str, tuple[str, bool]]:
    host = whole(*BASE, *parts)
    if denied:
        host.capture.lists[denied] = Missing(denied, Why.DENIED)
    facts = Facts(host)
    return {need.bdf: (str(need.why), need.sure) for need in facts[HostNeeds].needs}


def test_lvm_on_luks_is_followed_to_its_disk() -> None:
    stats = links(
        **{
            "dm-1": "../../devices/virtual/block/dm-1",
            "dm-0": "../../devices/virtual/block/dm-0",
            "nvme0n1p2": f"{DEVICES}/{NVME}/nvme/nvme0/nvme0n1/nvme0n1p2",
        }
    )
    stats["/dev/mapper/vg-root"] = hosts.link("../dm-1")
    folders = (f"{BLOCK}/dm-1/slaves/dm-0", f"{BLOCK}/dm-0/slaves/nvme0n1p2")
    mounts = file("/proc/mounts", "/dev/mapper/vg-root / ext4 rw 0 0\n")
    found = needs(mounts, Parts(stats=stats, folders=folders))
    assert found[NVME] == ("it holds what is mounted at /", True)
    assert SATA not in found


def test_swap_and_a_private_mount() -> None:
    stats = links(
        sda1=f"{DEVICES}/{SATA}/ata1/host0/block/sda/sda1",
        nvme0n1=f"{DEVICES}/{NVME}/nvme/nvme0/nvme0n1",
    )
    files: dict[str, str | bytes | Missing] = {
        "/proc/mounts": "/dev/nvme0n1 / ext4 rw 0 0\n/dev/sda1 /mnt/x ext4 rw 0 0\n",
        "/proc/swaps": "Filename Type\n/dev/nvme0n1 partition 1 0 -2\n",
    }
    found = needs(Parts(files, stats))
    assert found[NVME][0] == "it holds what is mounted at / and swap"
    assert found[SATA] == ("it holds a mounted file system", True)


def test_what_cannot_be_followed_may_be_on_any_disk() -> None:
    pool = file("/proc/mounts", "rpool/root / zfs rw 0 0\n")
    assert {needs(pool)[bdf][1] for bdf in (NVME, SATA)} == {False}
    named = file("/proc/mounts", "/dev/nvme0n1p2 / ext4 rw 0 0\n")
    found = needs(named)
    assert found[NVME][1] is False
    assert SATA not in found


def test_a_bridge_is_followed_to_its_card() -> None:
    stats: Links = {
        f"{NET}/br0": hosts.link("../../devices/virtual/net/br0"),
        f"{NET}/enp3s0": hosts.link(f"{DEVICES}/{NIC}/net/enp3s0"),
    }
    lower = Parts(stats=stats, folders=(f"{NET}/br0/lower_enp3s0",))
    assert needs(ROUTE, lower)[NIC] == (
        "the host's default route goes through it",
        True,
    )
    assert needs(ROUTE)[NIC][1] is False
    assert needs()[NIC][1] is False


def test_the_only_keyboard() -> None:
    led = "/sys/class/leds/input3::capslock"
    stats: Links = {led: hosts.link(f"{DEVICES}/{USB}/usb1/1-2/input/input3/leds/x")}
    assert needs(Parts(stats=stats))[USB] == (
        "the only keyboard is connected to it",
        True,
    )
    stats["/sys/class/leds/input0::capslock"] = hosts.link("../../devices/platform/x")
    assert USB not in needs(Parts(stats=stats))


OTHER = function("0000:00:02.0", "8086:4680", "030000", "i915", 6)
LIT = "/sys/class/drm/card1-HDMI-A-1"


def test_the_last_card_with_a_driver() -> None:
    why = "no other graphics card has a driver of the host's"
    assert needs()[CARD] == (why, False)
    assert CARD not in needs(OTHER)
    given = function("0000:00:02.0", "8086:4680", "030000", "vfio-pci", 6)
    assert needs(given)[CARD] == (why, False)


def test_a_display_on_a_card_that_is_not_known() -> None:
    connected = Parts({f"{LIT}/status": "connected\n"})
    unknown = f"{PCI}/{CARD}/drm"
    found = needs(OTHER, connected, denied=unknown)
    assert found[CARD] == ("a connected display may be in use on it", False)
    owned = Parts(folders=(f"{PCI}/0000:00:02.0/drm/card1",))
    found = needs(OTHER, connected, owned, denied=unknown)
    assert CARD not in found
    assert found["0000:00:02.0"][1] is False
    assert CARD not in needs(OTHER, denied=unknown)


def test_a_lit_screen_and_the_verdict_on_its_card() -> None:
    drm = "/sys/class/drm/card0-DP-1"
    lit = Parts(
        {f"{drm}/status": "connected\n", f"{drm}/enabled": "enabled\n"},
        folders=(f"{PCI}/{CARD}/drm/card0",),
    )
    assert needs(lit)[CARD] == ("a connected display is in use on it", True)
    dark, used = Facts(whole(*BASE, OTHER)), Facts(whole(*BASE, OTHER, lit))
    assert dark[Verdicts].by_address[CARD].free is True
    assert used[Verdicts].by_address[CARD].free is False
