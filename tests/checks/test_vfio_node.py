"""Who may open /dev/vfio/vfio: false alarms and their neighbours."""

from __future__ import annotations

from support import hosts
from support.fixture_hosts.hardware import CORE_CPU, cpu
from support.fixture_hosts.parts import Parts, file
from support.machines import SYSFS, function, result, whole
from support.rows import for_each
from vfio_doctor.checks.vfio.node import VfioNodeClosed
from vfio_doctor.model import CheckResult, Status

NODE = "/dev/vfio/vfio"
BASE = (
    Parts(folders=SYSFS),
    cpu(*CORE_CPU),
    file("/proc/cmdline", "quiet\n"),
    file("/proc/sys/kernel/osrelease", "6.12.5\n"),
    file("/etc/group", "root:x:0:\nkvm:x:104:\n"),
)
CARD = function("0000:01:00.0", "10de:2482", "030000", "vfio-pci", 1)
LIBVIRT = file(
    "/etc/passwd",
    "root:x:0:0::/root:/bin/sh\nlibvirt-qemu:x:64055:104::/:/bin/false\n",
)
AS_ROOT = file("/etc/libvirt/qemu.conf", 'user = "root"\ngroup = "root"\n')


def node(mode: int, group: str = "root", gid: int = 0) -> Parts:
    stat = hosts.char_node(mode, "root", 0, group, gid, (10, 196))
    return Parts(stats={NODE: stat})


def judged(*parts: Parts) -> CheckResult:
    return result(whole(*BASE, *parts), VfioNodeClosed)


@for_each(
    ("parts", "right"),
    [
        ((LIBVIRT, node(0o666)), Status.PASS),
        ((LIBVIRT, node(0o600)), Status.FAIL),
        ((LIBVIRT, node(0o660, "kvm", 104)), Status.PASS),
        ((LIBVIRT, node(0o660)), Status.FAIL),
        ((LIBVIRT, AS_ROOT, node(0o600)), Status.PASS),
        ((node(0o600),), Status.FAIL),
        ((LIBVIRT,), Status.NOT_APPLICABLE),
        ((LIBVIRT, Parts(stats={NODE: hosts.denied(NODE)})), Status.UNKNOWN),
    ],
    ids=["open", "closed", "kvm", "group", "root", "no libvirt", "absent", "unseen"],
)
def test_the_node(parts: tuple[Parts, ...], right: Status) -> None:
    assert judged(CARD, *parts).status is right


def test_a_node_that_nobody_needs_yet_is_not_judged() -> None:
    idle = function("0000:01:00.0", "10de:2482", "030000", "nvidia", 1)
    vm = file(
        "/etc/driverctl.d/pci-0000:01:00.0",
        "vfio-pci\n",
    )
    assert judged(idle, vm, node(0o600)).status is Status.NOT_APPLICABLE


RULES = "/etc/udev/rules.d"
CLOSE = 'SUBSYSTEM=="misc", KERNEL=="vfio", GROUP="nobody", MODE="0600"\n'
WRONG_KIND = 'SUBSYSTEM=="vfio", OWNER="root", MODE="0600"\n'
VENDOR = "/usr/lib/udev/rules.d/99-x.rules"
WRITE_ONE = "/etc/udev/rules.d/10-vfio.rules"


@for_each(
    ("rule", "right"),
    [
        (file(f"{RULES}/99-h.rules", CLOSE), f"{RULES}/99-h.rules:1 closes it"),
        (
            file(f"{RULES}/10-vfio.rules", WRONG_KIND + 'KERNEL=="vfio", MODE="0600"'),
            f"{RULES}/10-vfio.rules:2 closes it",
        ),
        (file(VENDOR, CLOSE), f"{VENDOR}:1 closes it, and belongs to a package"),
        (file(f"{RULES}/99-h.rules", WRONG_KIND), WRITE_ONE),
        (file(f"{RULES}/99-h.rules", CLOSE.replace("0600", "0666")), WRITE_ONE),
        (file(f"{RULES}/99-h.txt", CLOSE), WRITE_ONE),
    ],
    ids=["later", "own", "package", "other devices", "other mode", "not read"],
)
def test_the_rule_that_closes_it_is_named(rule: Parts, right: str) -> None:
    (told,) = judged(CARD, LIBVIRT, node(0o600), rule).diagnoses
    assert right in str(told.finding.advice)
