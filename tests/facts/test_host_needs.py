"""What the host must keep is followed through all that lies between."""

from __future__ import annotations

import pytest

from support import hosts
from support.fixture_hosts.hardware import CORE_CPU, cpu
from support.fixture_hosts.parts import Parts, file
from support.machines import PCI, SYSFS, function, whole
from support.rows import for_each
from vfio_doctor.facts.base import Facts
from vfio_doctor.facts.pci.needs import HostNeeds
from vfio_doctor.facts.pci.verdict import Verdicts
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.reader import Missing, Stat, Why
from vfio_doctor.host.redaction.redact import redact

NVME, SATA, NIC = "0000:02:00.0", "0000:00:17.0", "0000:03:00.0"
CARD, USB = "0000:01:00.0", "0000:00:14.0"
BLOCK, NET = "/sys/class/block", "/sys/class/net"
DEVICES = "../../devices/pci0000:00"
Links = dict[str, Stat | Missing]
Texts = dict[str, str | bytes | Missing]
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
ROUTE_TO = HEAD + "{}\t00000000\t0\t3\t0\t0\t0\t00000000\n"
ROUTE = file("/proc/net/route", f"{HEAD}br0\t00000000\t0\t3\t0\t0\t0\t00000000\n")


def links(**targets: str) -> Links:
    return {f"{BLOCK}/{name}": hosts.link(to) for name, to in targets.items()}


def needs(*parts: Parts, denied: str = "") -> dict[str, tuple[str, bool]]:
    host = whole(*BASE, *parts)
    if denied:
        host.capture.lists[denied] = Missing(denied, Why.DENIED)
    found = _needs_of(host)
    # An attachment tells the same.
    assert _needs_of(CapturedHost(redact(host.capture).capture)) == found
    return found


def _needs_of(host: CapturedHost) -> dict[str, tuple[str, bool]]:
    needed = Facts(host)[HostNeeds].needs
    return {need.bdf: (str(need.why), need.sure) for need in needed}


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
    assert found[NVME][0] == "it holds what is mounted at /"
    assert found[SATA] == ("it holds a mounted file system", True)


def test_what_cannot_be_followed_may_be_on_any_disk() -> None:
    pool = file("/proc/mounts", "rpool/root / zfs rw 0 0\n")
    assert {needs(pool)[bdf][1] for bdf in (NVME, SATA)} == {False}
    named = file("/proc/mounts", "/dev/nvme0n1p2 / ext4 rw 0 0\n")
    found = needs(named)
    assert found[NVME][1] is False
    assert SATA not in found


SUBSYSTEM = "devices/virtual/nvme-subsystem/nvme-subsys0"
HEAD_DISK = links(
    nvme0n1=f"../../{SUBSYSTEM}/nvme0n1",
    nvme0n1p2=f"../../{SUBSYSTEM}/nvme0n1/nvme0n1p2",
)
ON_NVME = file("/proc/mounts", "/dev/nvme0n1p2 / ext4 rw 0 0\n")
ON_DISK = file("/proc/mounts", "/dev/sda2 / ext4 rw 0 0\n")
MAY_HOLD = ("it may hold a disk that the host uses", False)
MAY_CARRY = ("a disk that the host uses may come through it", False)
ENDS_AT_NIC = file(
    "/proc/net/route", f"{HEAD}lan0\t00000000\t0\t3\t0\t0\t0\t00000000\n"
)
LAN: Links = {f"{NET}/lan0": hosts.link(f"{DEVICES}/0000:09:00.0/net/lan0")}
ROUTED = ENDS_AT_NIC.and_then(Parts(stats=LAN))


def test_multipath_is_followed_to_the_controllers_of_its_subsystem() -> None:
    ways: Links = {f"/sys/{SUBSYSTEM}/nvme0": hosts.link(f"../x/{NVME}/nvme/nvme0")}
    found = needs(ON_NVME, ROUTED, Parts(stats={**HEAD_DISK, **ways}))
    assert found[NVME] == ("it holds what is mounted at /", True)
    assert not {SATA, NIC} & set(found)
    ways[f"/sys/{SUBSYSTEM}/nvme1"] = hosts.link("../../nvme-fabrics/ctl/nvme1")
    found = needs(ON_NVME, ROUTED, Parts(stats={**HEAD_DISK, **ways}))
    assert (found[NVME][1], found[NIC]) == (True, MAY_CARRY)


def test_a_disk_behind_vmd_is_on_the_vmd_controller_too() -> None:
    vmd, drive = "0000:00:0e.0", "10000:e1:00.0"
    way = f"{DEVICES}/{vmd}/pci10000:e0/10000:e0:06.0/{drive}/nvme/nvme0/nvme0n1"
    parts = (
        function(vmd, "8086:a77f", "010400", "vmd", 8),
        function(drive, "144d:a80a", "010802", "nvme", 8),
    )
    found = needs(ON_NVME, *parts, Parts(stats=links(nvme0n1p2=f"{way}/nvme0n1p2")))
    here = ("it holds what is mounted at /", True)
    assert (found[vmd], found[drive]) == (here, here)
    assert NVME not in found


def test_multipath_without_its_controllers_may_be_on_any_nvme_drive() -> None:
    found = needs(ON_NVME, ROUTED, Parts(stats=HEAD_DISK))
    assert found[NVME] == MAY_HOLD
    assert SATA not in found


def test_a_partition_of_a_raid_is_followed_through_its_disk() -> None:
    stats = links(
        md0p1="../../devices/virtual/block/md0/md0p1",
        sda=f"{DEVICES}/{SATA}/ata1/host0/block/sda",
    )
    mounts = file("/proc/mounts", "/dev/md0p1 / ext4 rw 0 0\n")
    found = needs(mounts, Parts(stats=stats, folders=(f"{BLOCK}/md0/slaves/sda",)))
    assert found[SATA] == ("it holds what is mounted at /", True)
    assert NVME not in found


@for_each("name", ["nbd0", "md0", "bcache0"])
def test_a_virtual_disk_on_nothing_may_be_anywhere(name: str) -> None:
    mounts = file("/proc/mounts", f"/dev/{name} / ext4 rw 0 0\n")
    stats = links(**{name: f"../../devices/virtual/block/{name}"})
    found = needs(
        mounts, ROUTED, Parts(stats=stats, folders=(f"{BLOCK}/{name}/slaves",))
    )
    assert (found[NVME], found[SATA], found[NIC]) == (MAY_HOLD, MAY_HOLD, MAY_CARRY)


def test_the_cache_of_a_bcache_is_not_among_its_slaves() -> None:
    stats = links(
        bcache0="../../devices/virtual/block/bcache0",
        sda=f"{DEVICES}/{SATA}/ata1/host0/block/sda",
    )
    mounts = file("/proc/mounts", "/dev/bcache0 / ext4 rw 0 0\n")
    found = needs(mounts, Parts(stats=stats, folders=(f"{BLOCK}/bcache0/slaves/sda",)))
    assert (found[SATA][1], found[NVME]) == (True, MAY_HOLD)


@for_each("name", ["zram0", "loop3", "ram1"])
def test_what_is_in_memory_is_on_no_disk(name: str) -> None:
    stats = links(
        **{
            name: f"../../devices/virtual/block/{name}",
            "sda2": f"{DEVICES}/{SATA}/ata1/host0/block/sda/sda2",
        }
    )
    swaps = file("/proc/swaps", f"Filename Type\n/dev/{name} partition 1 0 -2\n")
    found = needs(ON_DISK, swaps, ROUTED, Parts(stats=stats))
    assert found[SATA][1] is True
    assert not {NVME, NIC} & set(found)


def test_slaves_that_name_each_other_come_to_an_end() -> None:
    names = [f"dm-{number}" for number in range(30)]
    stats = links(**{name: f"../../devices/virtual/block/{name}" for name in names})
    folders = tuple(f"{BLOCK}/{one}/slaves/{two}" for one in names for two in names)
    mounts = file("/proc/mounts", "/dev/dm-0 / ext4 rw 0 0\n")
    assert NVME not in needs(mounts, Parts(stats=stats, folders=folders))


def test_each_device_of_a_bcachefs_is_followed() -> None:
    both = file("/proc/mounts", "/dev/sda1:/dev/nvme0n1p2 / bcachefs rw 0 0\n")
    known = links(nvme0n1p2=f"{DEVICES}/{NVME}/nvme/nvme0/nvme0n1/nvme0n1p2")
    found = needs(both, Parts(stats=known))
    assert found[NVME] == ("it holds what is mounted at /", True)
    assert found[SATA] == MAY_HOLD
    found = needs(both)
    assert (found[NVME], found[SATA]) == (MAY_HOLD, MAY_HOLD)


def test_a_disk_of_iscsi_may_come_through_any_network_card() -> None:
    way = "../../devices/platform/host6/session1/target6:0:0/6:0:0:1/block/sda/sda2"
    found = needs(ON_DISK, ROUTED, Parts(stats=links(sda2=way)))
    assert (found[NIC], found[SATA]) == (MAY_CARRY, MAY_HOLD)
    here = links(sda2=f"{DEVICES}/{SATA}/ata1/host0/block/sda/sda2")
    assert NIC not in needs(ON_DISK, ROUTED, Parts(stats=here))


@for_each(("place", "needed"), [("/", True), ("/home/kim", True), ("/mnt/nas", False)])
def test_a_share_that_the_host_needs(place: str, needed: bool) -> None:
    here = links(sda2=f"{DEVICES}/{SATA}/ata1/host0/block/sda/sda2")
    share = f"nas:/vol {place} nfs4 rw 0 0\n"
    mounts = "" if place == "/" else "/dev/sda2 / ext4 rw 0 0\n"
    found = needs(file("/proc/mounts", mounts + share), ROUTED, Parts(stats=here))
    assert found.get(NIC) == (MAY_CARRY if needed else None)
    # The root is known, so that no disk may hold it.
    assert NVME not in found


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


def test_a_route_through_a_tunnel_goes_through_some_card() -> None:
    route = file("/proc/net/route", f"{HEAD}ppp0\t00000000\t0\t3\t0\t0\t0\t00000000\n")
    stats: Links = {f"{NET}/ppp0": hosts.link("../../devices/virtual/net/ppp0")}
    found = needs(route, Parts(stats=stats, folders=(f"{NET}/ppp0/statistics",)))
    assert found[NIC] == ("the host's network may go through it", False)


def test_a_network_adapter_on_usb_if_the_route_is_not_known() -> None:
    stats: Links = {
        f"{NET}/usb0": hosts.link(f"{DEVICES}/{USB}/usb2/2-1/2-1:1.0/net/x")
    }
    found = needs(Parts(stats=stats))
    assert found[USB] == ("the host's network may go through it", False)
    line = file("/proc/net/route", ROUTE_TO.format("lan0"))
    assert USB not in needs(line, Parts(stats=stats | LAN))


def test_one_route_of_two_that_is_known() -> None:
    line = "\t00000000\t0\t3\t0\t0\t0\t00000000\n"
    both = file("/proc/net/route", f"{HEAD}tun0{line}lan0{line}")
    other = function("0000:09:00.0", "10ec:8168", "020000", "r8169", 7)
    stats: Links = {f"{NET}/tun0": hosts.link("../../devices/virtual/net/tun0"), **LAN}
    tunnel = Parts(stats=stats, folders=(f"{NET}/tun0/statistics",))
    found = needs(both, other, tunnel)
    assert found["0000:09:00.0"] == ("the host's default route goes through it", True)
    assert found[NIC] == ("the host's network may go through it", False)


def test_a_vms_tap_in_a_bridge_says_nothing_against_its_card() -> None:
    stats: Links = {
        f"{NET}/br0": hosts.link("../../devices/virtual/net/br0"),
        f"{NET}/vnet0": hosts.link("../../devices/virtual/net/vnet0"),
        f"{NET}/lan0": LAN[f"{NET}/lan0"],
    }
    folders = (f"{NET}/br0/lower_lan0", f"{NET}/br0/lower_vnet0", f"{NET}/vnet0/queues")
    assert NIC not in needs(ROUTE, Parts(stats=stats, folders=folders))


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


MAY_SHOW = ("a connected display may be in use on it", False)
I915 = f"{PCI}/0000:00:02.0/drm"
# Both cards have connectors, and no display is connected.
DARK = Parts(
    {
        "/sys/class/drm/card0-DP-1/status": "disconnected\n",
        "/sys/class/drm/card1-HDMI-A-1/status": "disconnected\n",
    },
    folders=(f"{PCI}/{CARD}/drm/card0", f"{I915}/card1"),
)


def test_the_last_card_with_a_driver() -> None:
    why = "no other graphics card has a driver of the host's"
    assert needs(DARK)[CARD] == (why, False)
    assert CARD not in needs(OTHER, DARK)
    given = function("0000:00:02.0", "8086:4680", "030000", "vfio-pci", 6)
    assert needs(given, DARK)[CARD] == (why, False)


def without_connectors(*parts: Parts) -> dict[str, tuple[str, bool]]:
    """Return the needs if the GeForce has nvidia-drm without modeset."""
    firmware: Texts = {
        f"{PCI}/0000:00:02.0/boot_vga": "1\n",
        f"{PCI}/{CARD}/boot_vga": "0\n",
    }
    bare = Parts(firmware, folders=(f"{PCI}/{CARD}/drm/card0", f"{I915}/card1"))
    return needs(OTHER, bare, *parts)


def test_a_card_without_connectors_may_be_the_one_that_is_lit() -> None:
    status: Texts = {f"{LIT}/status": "disconnected\n", f"{LIT}/enabled": "disabled\n"}
    assert without_connectors(Parts(status))[CARD] == MAY_SHOW
    status = {f"{LIT}/status": "connected\n", f"{LIT}/enabled": "enabled\n"}
    assert CARD not in without_connectors(Parts(status))


def test_connectors_that_cannot_be_read_may_be_lit() -> None:
    assert needs(OTHER, DARK, denied="/sys/class/drm")[CARD] == MAY_SHOW
    host = whole(*BASE, OTHER, DARK)
    path = "/sys/class/drm/card0-DP-1/status"
    host.capture.files[path] = Missing(path, Why.DENIED)
    (need,) = Facts(host)[HostNeeds].of(CARD)
    assert (str(need.why), need.sure) == MAY_SHOW


def test_a_card_without_a_driver_is_not_lit() -> None:
    idle = function("0000:05:00.0", "10de:2482", "030000", None, 8)
    assert "0000:05:00.0" not in needs(idle)


def test_a_display_on_a_card_that_is_not_known() -> None:
    connected = Parts({f"{LIT}/status": "connected\n"})
    unknown = f"{PCI}/{CARD}/drm"
    found = needs(OTHER, connected, denied=unknown)
    assert found[CARD] == ("a connected display may be in use on it", False)
    owned = Parts(folders=(f"{PCI}/0000:00:02.0/drm/card1",))
    found = needs(OTHER, connected, owned, denied=unknown)
    assert found["0000:00:02.0"][1] is found[CARD][1] is False
    lit = Parts({f"{LIT}/enabled": "enabled\n"})
    assert CARD not in needs(OTHER, connected, lit, owned, denied=unknown)


@pytest.mark.parametrize("below", ["", "virtio3/"])
def test_a_lit_screen_and_the_verdict_on_its_card(below: str) -> None:
    """A virtio-gpu has its screens below its virtio device."""
    drm = "/sys/class/drm/card0-DP-1"
    lit = Parts(
        {f"{drm}/status": "connected\n", f"{drm}/enabled": "enabled\n"},
        folders=(f"{PCI}/{CARD}/{below}drm/card0",),
    )
    assert needs(lit)[CARD] == ("a connected display is in use on it", True)
    dark, used = Facts(whole(*BASE, OTHER, DARK)), Facts(whole(*BASE, OTHER, lit))
    assert dark[Verdicts].by_address[CARD].free is True
    assert used[Verdicts].by_address[CARD].free is False


@pytest.mark.parametrize(("driver", "free"), [("igb", False), ("vfio-pci", True)])
def test_the_verdict_on_a_maker_of_virtual_functions(driver: str, free: bool) -> None:
    """vfio-pci answers -16 for it, but may have made them itself (enable_sriov)."""
    bdf = "0000:0b:00.0"
    nic = function(bdf, "8086:1521", "020000", driver, 14)
    made = Parts({f"{PCI}/{bdf}/sriov_numvfs": "2\n"})
    routes = file("/proc/net/route", HEAD)
    verdict = Facts(whole(*BASE, nic, made, routes))[Verdicts].by_address[bdf]
    assert (verdict.free, verdict.words.id == "verdict-has-virtual") == (free, not free)
