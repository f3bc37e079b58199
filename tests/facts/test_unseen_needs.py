"""What may be the host's need where little is seen: never called free."""

from __future__ import annotations

import pytest

from support import hosts
from support.fixture_hosts.hardware import CORE_CPU, cpu
from support.fixture_hosts.parts import Parts, file
from support.machines import SYSFS, function, whole
from vfio_doctor.facts.base import Facts
from vfio_doctor.facts.pci.needs import HostNeeds
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.reader import Missing, Stat, Why
from vfio_doctor.host.redaction.redact import redact

NVME, USB, OTHER, READER = (
    *("0000:02:00.0", "0000:00:14.0"),
    *("0000:0b:00.3", "0000:05:00.0"),
)
DEVICES = "../../devices/pci0000:00"
Links = dict[str, Stat | Missing]
UNIT: Links = {"/sys/class/iommu/dmar0": hosts.link("../../devices/virtual/dmar0")}
BASE = (
    Parts(folders=(*SYSFS, "/sys/class/leds", "/sys/class/block"), stats=UNIT),
    cpu(*CORE_CPU),
    function(NVME, "144d:a808", "010802", "nvme", 2),
    function(USB, "8086:7ae0", "0c0330", "xhci_hcd", 5),
    function(OTHER, "1022:149c", "0c0330", "xhci_hcd", 6),
    function(READER, "10ec:5229", "080501", "sdhci-pci", 7),
)
ROOT = file("/proc/mounts", "/dev/nvme0n1p2 / ext4 rw 0 0\n")
HOME: Links = {
    "/sys/class/block/nvme0n1p2": hosts.link(f"{DEVICES}/{NVME}/nvme/nvme0/n/p")
}
SWAPS = "Filename\tType\tSize\tUsed\tPriority\n"
POOL = file("/proc/mounts", "rpool/ROOT / zfs rw 0 0\n")
MAY_HOLD = "need-storage-may"


def needs(*parts: Parts, unseen: tuple[str, ...] = ()) -> dict[str, set[str]]:
    """Return the ids of the needs by address, the same in an attachment."""
    host = whole(*BASE, *parts)
    for path in unseen:
        host.capture.files[path] = Missing(path, Why.NOT_CAPTURED)
        host.capture.lists[path] = Missing(path, Why.NOT_CAPTURED)
    found = _needs_of(host)
    assert _needs_of(CapturedHost(redact(host.capture).capture)) == found
    return found


def _needs_of(host: CapturedHost) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for need in Facts(host)[HostNeeds].needs:
        found.setdefault(need.bdf, set()).add(need.why.id)
    return found


@pytest.mark.parametrize(
    "unseen", [("/proc/mounts",), ("/proc/swaps",), ("/proc/mounts", "/proc/swaps")]
)
def test_a_drive_may_hold_what_is_not_seen(unseen: tuple[str, ...]) -> None:
    seen = (ROOT, file("/proc/swaps", SWAPS))
    other = function("0000:04:00.0", "1987:5012", "010802", "nvme", 8)
    found = needs(*seen, other, Parts(stats=HOME), unseen=unseen)
    assert MAY_HOLD in found["0000:04:00.0"]
    assert MAY_HOLD in found[READER]
    seen_all = needs(*seen, other, Parts(stats=HOME))
    assert "0000:04:00.0" not in seen_all
    assert NVME in seen_all


def disk(name: str, bdf: str) -> Links:
    way = f"{DEVICES}/{bdf}/usb2/2-1/2-1:1.0/host0/block/{name}"
    return {f"/sys/class/block/{name}": hosts.link(way)}


def test_a_pool_may_lie_on_a_disk_by_usb() -> None:
    found = needs(POOL, file("/proc/swaps", SWAPS), Parts(stats=disk("sda", USB)))
    assert MAY_HOLD in found[USB]
    assert OTHER not in found
    assert MAY_HOLD in found[NVME]


def test_where_disks_are_not_listed_any_usb_controller_may_carry_one() -> None:
    found = needs(POOL, file("/proc/swaps", SWAPS), unseen=("/sys/class/block",))
    assert MAY_HOLD in found[USB] & found[OTHER]


def test_a_root_that_is_known_says_nothing_of_usb() -> None:
    stats = {**HOME, **disk("sda", USB)}
    found = needs(ROOT, file("/proc/swaps", SWAPS), Parts(stats=stats))
    assert set(found) == {NVME}


KEYS = "1000000000007 ff9f207ac14057ff febeffdfffefffff fffffffffffffffe\n"
MOUSE = "ff0000 0 0 0 0\n"


def typed(**keys: tuple[str, str]) -> Parts:
    """Return input devices: (keys, way to it) by name."""
    files: dict[str, str | bytes | Missing] = {
        f"/sys/class/input/{name}/capabilities/key": bits
        for name, (bits, _) in keys.items()
    }
    stats: Links = {
        f"/sys/class/input/{name}": hosts.link(f"../../devices/{way}/input/{name}")
        for name, (_, way) in keys.items()
    }
    return Parts(files, stats)


def by_usb(bdf: str) -> str:
    return f"pci0000:00/{bdf}/usb1/1-2/1-2:1.0"


SEEN = (ROOT, file("/proc/swaps", SWAPS), Parts(stats=HOME))


@pytest.mark.parametrize(
    ("inputs", "needed"),
    [
        ({"input3": (KEYS, by_usb(USB)), "input4": (MOUSE, by_usb(OTHER))}, {USB}),
        ({"input3": (KEYS, by_usb(USB)), "input5": (KEYS, "platform/i8042")}, set()),
        ({"input3": (KEYS, by_usb(USB)), "input5": (KEYS, by_usb(OTHER))}, set()),
        ({"input4": (MOUSE, by_usb(OTHER)), "input2": ("0\n", "LNXPWRBN:00")}, set()),
        ({"input3": ("fffffffe\n", by_usb(USB))}, {USB}),
        ({"input3": ("rubbish\n", by_usb(USB))}, set()),
    ],
    ids=["one", "ps2 too", "two", "mouse", "32 bits", "rubbish"],
)
def test_a_keyboard_without_a_light_is_told_by_its_keys(
    inputs: dict[str, tuple[str, str]], needed: set[str]
) -> None:
    found = needs(*SEEN, typed(**inputs))
    assert {b for b, why in found.items() if "need-keyboard" in why} == needed


def test_a_light_and_keys_count_together() -> None:
    lit: Links = {
        "/sys/class/leds/input9::capslock": hosts.link(
            f"../../devices/{by_usb(OTHER)}/input/input9/input9::capslock"
        )
    }
    found = needs(*SEEN, typed(input3=(KEYS, by_usb(USB))), Parts(stats=lit))
    assert not any("need-keyboard" in why for why in found.values())


def test_keys_that_may_not_be_read_may_be_a_keyboard_s() -> None:
    parts = typed(input3=(KEYS, by_usb(USB)))
    path = "/sys/class/input/input3/capabilities/key"
    found = needs(*SEEN, parts, unseen=(path,))
    assert "need-keyboard-may" in found[USB] & found[OTHER]
