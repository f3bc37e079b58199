"""Resets of a VM's devices: false alarms and their neighbours."""

from __future__ import annotations

from support import hosts
from support.fixture_hosts.hardware import CORE_CPU, cpu
from support.fixture_hosts.parts import Parts, file
from support.machines import PCI, SYSFS, function, result, whole
from support.rows import for_each
from vfio_doctor.checks.vfio.lost import VfioDeviceLost
from vfio_doctor.checks.vfio.reset import VfioAmdReset, VfioCannotReset
from vfio_doctor.facts.pci.wanted import NOTHING_WANTED
from vfio_doctor.host.reader import CommandResult, Stat
from vfio_doctor.model import CheckResult, Severity, Status

CARD, OTHER = "0000:01:00.0", "0000:01:00.1"
BASE = Parts(
    files={"/proc/cmdline": "quiet\n", "/proc/modules": "kvm 1 0 - Live 0x0\n"},
    stats={"/sys/class/iommu/dmar0": hosts.link("../../devices/virtual/iommu/dmar0")},
    folders=SYSFS,
).and_then(cpu(*CORE_CPU))


def kernel(release: str) -> Parts:
    return file("/proc/sys/kernel/osrelease", f"{release}\n")


def device(bdf: str, driver: str | None, class_: str, ids: str = "1b21:3242") -> Parts:
    return function(bdf, ids, class_, driver, int(bdf[-1]) + 1)


def methods(bdf: str, *names: str) -> Parts:
    return file(f"{PCI}/{bdf}/reset_method", f"{' '.join(names)}\n")


def log(*lines: str) -> Parts:
    text = "".join(f"[    9.000000] {line}\n" for line in lines)
    return Parts(commands={("dmesg",): CommandResult(("dmesg",), 0, text, "")})


def below_bridge(bdf: str) -> Parts:
    target = f"../../../devices/pci0000:00/0000:00:01.1/{bdf}"
    link: dict[str, Stat] = {f"{PCI}/{bdf}": hosts.link(target)}
    return Parts(stats=dict(link))


def judged(check: type, *parts: Parts) -> CheckResult:
    return result(whole(BASE, kernel("6.12.5"), *parts), check)


def said(found: CheckResult) -> list[tuple[str, str, Severity]]:
    return [
        (d.finding.subject, d.finding.message.id, d.severity) for d in found.diagnoses
    ]


@for_each("check", [VfioCannotReset, VfioAmdReset, VfioDeviceLost])
def test_nothing_is_judged_if_nothing_is_meant_for_a_vm(check: type) -> None:
    found = judged(check, device(CARD, "nvidia", "030000"))
    assert (found.status, found.reason) == (Status.NOT_APPLICABLE, NOTHING_WANTED)


WITH_BUS = (CARD, "vfio-reset-with-bus", Severity.WARNING)


@for_each(
    ("parts", "right"),
    [
        ((methods(CARD, "bus"), device(OTHER, "xhci_hcd", "0c0330")), [WITH_BUS]),
        ((methods(CARD, "bus"), device(OTHER, None, "130000")), [WITH_BUS]),
        ((methods(CARD, "flr", "bus"), device(OTHER, "xhci_hcd", "0c0330")), []),
        ((methods(CARD, "pm"), device(OTHER, "xhci_hcd", "0c0330")), []),
        ((methods(CARD, "bus"), device(OTHER, "vfio-pci", "0c0330")), []),
        ((methods(CARD, "bus"),), []),
    ],
    ids=["neighbour", "dummy neighbour", "flr", "pm", "all held", "alone"],
)
def test_a_bus_is_reset_as_a_whole(
    parts: tuple[Parts, ...], right: list[object]
) -> None:
    usb = device(CARD, "vfio-pci", "0c0330")
    assert said(judged(VfioCannotReset, usb, *parts)) == right


def test_a_bridge_beside_it_is_not_asked_to_go() -> None:
    card = device(CARD, "vfio-pci", "030000")
    bridge = device(OTHER, "pcieport", "060400")
    parts = (card, bridge, methods(CARD, "bus"), below_bridge(CARD))
    assert said(judged(VfioCannotReset, *parts)) == []


def test_the_chipset_has_no_bus_to_reset() -> None:
    sound = function("0000:00:1f.3", "8086:7ad0", "040300", "vfio-pci", 6)
    found = judged(VfioCannotReset, sound)
    assert said(found) == [("0000:00:1f.3", "vfio-reset-no-way", Severity.INFO)]
    gpu = function("0000:00:02.0", "8086:4680", "030000", "vfio-pci", 2)
    assert judged(VfioCannotReset, gpu).diagnoses[0].severity is Severity.WARNING


def test_what_is_said_of_the_card_already_is_not_said_again() -> None:
    card = function(CARD, "10de:2504", "030000", "vfio-pci", 1)
    sound = function(OTHER, "10de:228e", "040300", "snd_hda_intel", 1)
    assert said(judged(VfioCannotReset, card, sound, methods(CARD, "bus"))) == []


def test_old_kernels_list_nothing() -> None:
    gpu = function("0000:00:02.0", "8086:4680", "030000", "vfio-pci", 2)
    found = judged(VfioCannotReset, gpu, kernel("5.4.0-37-generic"))
    assert found.status is Status.NOT_APPLICABLE


@for_each(
    ("driver", "how", "modules", "release", "right"),
    [
        ("vfio-pci", ("bus",), "kvm", "6.1", "vfio-amd-reset-works-once"),
        ("vfio-pci", ("bus",), "vendor_reset", "6.1", "vfio-amd-reset-not-used"),
        ("vfio-pci", ("device_specific",), "vendor_reset", "6.1", ""),
        ("vfio-pci", (), "vendor_reset", "5.10.0", ""),
    ],
)
def test_affected_cards_want_vendor_reset(
    driver: str, how: tuple[str, ...], modules: str, release: str, right: str
) -> None:
    found = judged(
        VfioAmdReset,
        device(CARD, driver, "030000", "1002:731f"),
        methods(CARD, *how) if how else Parts(),
        file("/proc/modules", f"{modules} 1 0 - Live 0x0\n"),
        kernel(release),
    )
    assert [d.finding.message.id for d in found.diagnoses] == [right] * bool(right)


def test_newer_radeons_are_left_alone() -> None:
    found = judged(VfioAmdReset, device(CARD, "vfio-pci", "030000", "1002:73df"))
    assert found.status is Status.NOT_APPLICABLE


HELD = device(CARD, "vfio-pci", "030000", "10de:2504")
GIVING_UP = f"vfio-pci {CARD}: not ready 65535ms after FLR; giving up"
BARS = f"vfio-pci {CARD}: vfio_bar_restore: reset recovery - restoring BARs"
FATAL = f"vfio-pci {CARD}: PCIe Bus Error: severity=Uncorrected (Fatal), type=Inacc"
MILD = f"vfio-pci {CARD}: PCIe Bus Error: severity=Uncorrected (Non-Fatal), type=Tr"
XID = "NVRM: Xid (PCI:0000:01:00): 79, pid=<unknown>, GPU has fallen off the bus."
GONE = f"pci {CARD}: unknown header type 7f, ignoring device"


@for_each(
    ("lines", "right"),
    [
        ((GIVING_UP,), ("vfio-lost-not-back", Severity.ERROR)),
        ((XID,), ("vfio-lost-silent", Severity.ERROR)),
        ((GONE,), ("vfio-lost-silent", Severity.ERROR)),
        ((FATAL,), ("vfio-lost-fatal-error", Severity.WARNING)),
        ((BARS,) * 5, ("vfio-lost-loses-state", Severity.WARNING)),
        ((BARS,) * 2, None),
        ((MILD,), None),
        ((GIVING_UP.replace("01:00.0", "09:00.0"),), None),
    ],
)
def test_the_log_tells_of_lost_devices(
    lines: tuple[str, ...], right: tuple[str, Severity] | None
) -> None:
    found = judged(VfioDeviceLost, HELD, log(*lines))
    assert [one[1:] for one in said(found)] == ([right] if right else [])


def config(data: bytes, state: str = "D0") -> tuple[Parts, ...]:
    home = f"{PCI}/{CARD}"
    return (file(f"{home}/power_state", f"{state}\n"), file(f"{home}/config", data))


def test_what_answers_is_not_lost_whatever_the_log_says() -> None:
    alive = config(b"\xde\x10\x04\x25" + bytes(60))
    assert said(judged(VfioDeviceLost, HELD, *alive, log(GIVING_UP))) == []


def test_a_sleeping_device_is_not_woken() -> None:
    asleep = config(b"\xff" * 64, "D3cold")
    assert judged(VfioDeviceLost, HELD, *asleep).status is Status.PASS


def test_ones_only_are_no_device() -> None:
    found = judged(VfioDeviceLost, HELD, *config(b"\xff" * 64))
    assert said(found) == [(CARD, "vfio-lost-silent", Severity.ERROR)]
