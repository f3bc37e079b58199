"""Memory that QEMU may lock, and VMs of libvirts without rights."""

from __future__ import annotations

import pytest

from support.fixture_hosts.hardware import CORE_CPU, cpu
from support.fixture_hosts.parts import Parts, file, seat
from support.fixture_hosts.recipes.passthrough import (
    FLATPAK,
    domain,
    drop_in,
    libvirt_version,
    limited,
    vm,
)
from support.machines import SYSFS, function, result, whole
from support.rows import for_each
from vfio_doctor.checks.vfio.hidden import VfioModulesHidden
from vfio_doctor.checks.vfio.limits import VfioMemoryLimit, VfioSessionVm
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.reader import CommandResult
from vfio_doctor.host.redaction.redact import redact
from vfio_doctor.model import CheckResult, Severity, Status
from vfio_doctor.parse.systemd_unit import INFINITY, has_capability, limit_bytes

DROP_IN = "/etc/systemd/system/virtqemud.service.d/hardening.conf"
UNIT = "/usr/lib/systemd/system/virtqemud.service"
SESSION = "/home/alice/.config/libvirt/qemu/win11.xml"
BASE = (
    Parts(folders=SYSFS),
    cpu(*CORE_CPU),
    file("/proc/cmdline", "quiet\n"),
    file("/proc/sys/kernel/osrelease", "6.12.5\n"),
    file("/etc/passwd", "alice:x:1000:1000::/home/alice:/bin/bash\n"),
    file("/etc/group", "alice:x:1000:\n"),
    seat(1000),
    function("0000:08:00.0", "10de:2482", "030000", "vfio-pci", 1),
)


def judged(check: type, *parts: Parts) -> CheckResult:
    return result(whole(*BASE, *parts), check)


def said(found: CheckResult) -> list[tuple[str, Severity]]:
    return [(d.finding.message.id, d.severity) for d in found.diagnoses]


def log(line: str) -> Parts:
    text = f"[    9.000000] {line}\n"
    return Parts(commands={("dmesg",): CommandResult(("dmesg",), 0, text, "")})


@pytest.mark.parametrize(
    ("gib", "right"), [(8, Severity.ERROR), (9, None), (10, None), (4, Severity.ERROR)]
)
def test_a_hard_limit_leaves_room_for_qemu(gib: int, right: Severity | None) -> None:
    found = judged(VfioMemoryLimit, file("/etc/libvirt/qemu/a.xml", limited(gib)))
    assert [severity for _, severity in said(found)] == ([right] if right else [])


CONFINED = ("vfio-memory-limit-confined", Severity.ERROR)


@for_each(
    ("parts", "right"),
    [
        ((drop_in("CapabilityBoundingSet=CAP_NET_ADMIN CAP_SYS_ADMIN"),), [CONFINED]),
        ((drop_in("CapabilityBoundingSet=~CAP_SYS_RESOURCE"),), [CONFINED]),
        ((drop_in("CapabilityBoundingSet=~CAP_SYS_BOOT"),), []),
        ((drop_in("CapabilityBoundingSet=", "LimitMEMLOCK=infinity"),), []),
        ((drop_in("CapabilityBoundingSet=", "LimitMEMLOCK=64M"),), [CONFINED]),
        ((file(UNIT, "[Service]\nLimitMEMLOCK=64M\n"),), []),
        ((file(DROP_IN, "[Unit]\nCapabilityBoundingSet=\n"),), []),
    ],
)
def test_a_daemon_raises_limits(parts: tuple[Parts, ...], right: list[object]) -> None:
    assert said(judged(VfioMemoryLimit, vm("08:00.0"), *parts)) == right


HIDDEN, NEW = "ProtectKernelModules=yes", libvirt_version("10.0.0")


@for_each(
    ("parts", "right"),
    [
        ((drop_in(HIDDEN), libvirt_version("10.0.0")), [Severity.ERROR]),
        ((drop_in(HIDDEN), libvirt_version("11.3.0")), [Severity.ERROR]),
        ((drop_in(HIDDEN), libvirt_version("9.0.0")), [Severity.WARNING]),
        ((drop_in(HIDDEN),), [Severity.WARNING]),
        (
            (file(UNIT, f"[Service]\n{HIDDEN}\n"), libvirt_version("10.0.0")),
            [Severity.ERROR],
        ),
        (
            (drop_in("ProtectKernelModules=1"), libvirt_version("10.0.0")),
            [Severity.ERROR],
        ),
        # The last word counts; what is none is passed over.
        ((drop_in(HIDDEN, "ProtectKernelModules=no"),), []),
        ((file(UNIT, f"[Service]\n{HIDDEN}\n"), drop_in(f"{HIDDEN[:-3]}off")), []),
        ((drop_in(HIDDEN, "ProtectKernelModules=perhaps"),), [Severity.WARNING]),
        ((drop_in("ProtectKernelModules="),), []),
        ((file(DROP_IN, f"[Unit]\n{HIDDEN}\n"),), []),
    ],
)
def test_a_daemon_sees_the_modules(
    parts: tuple[Parts, ...], right: list[Severity]
) -> None:
    host = whole(*BASE, vm("08:00.0"), *parts)
    for each in (host, CapturedHost(redact(host.capture).capture)):
        found = result(each, VfioModulesHidden)
        assert said(found) == [("vfio-modules-hidden-now", one) for one in right]


def test_nothing_is_asked_of_the_modules_unless_libvirt_takes_the_device() -> None:
    parts = (drop_in(HIDDEN), libvirt_version("10.0.0"))
    assert judged(VfioModulesHidden, *parts).status is Status.NOT_APPLICABLE
    bound_before = domain("08:00.0").replace("managed='yes'", "managed='no'")
    by_hand = file("/etc/libvirt/qemu/a.xml", bound_before)
    assert judged(VfioModulesHidden, by_hand, *parts).diagnoses == ()


def test_a_daemon_that_gives_no_device_may_be_confined() -> None:
    closed = drop_in("CapabilityBoundingSet=")
    assert said(judged(VfioMemoryLimit, closed)) == []


def test_a_refusal_in_the_log() -> None:
    line = "vfio_pin_pages_remote: RLIMIT_MEMLOCK (8388608) exceeded"
    found = judged(VfioMemoryLimit, log(line))
    assert said(found) == [("vfio-memory-limit-exceeded", Severity.WARNING)]


@pytest.mark.parametrize(
    ("path", "right"),
    [
        (SESSION, "vfio-session-vm"),
        (f"{FLATPAK}/win11.xml", "vfio-session-flatpak"),
        ("/etc/libvirt/qemu/win11.xml", ""),
    ],
)
def test_whose_libvirt_has_the_vm(path: str, right: str) -> None:
    found = judged(VfioSessionVm, file(path, domain("08:00.0")))
    assert [name for name, _ in said(found)] == ([right] if right else [])


def test_a_session_vm_without_device_is_nobodys_business() -> None:
    found = judged(VfioSessionVm, file(SESSION, domain()))
    assert found.status is Status.NOT_APPLICABLE


@for_each(
    ("sets", "held"),
    [
        ((), True),
        (("",), False),
        (("CAP_A", "CAP_B"), True),
        (("CAP_B", "~CAP_B"), False),
        (("~CAP_A", "CAP_A"), True),
        (("", "CAP_B"), True),
    ],
)
def test_bounding_sets_one_after_another(sets: tuple[str, ...], held: bool) -> None:
    assert has_capability(sets, "CAP_B") is held


@for_each(
    ("text", "size"),
    [
        ("infinity", INFINITY),
        ("64M", 64 << 20),
        ("1K:2K", 2048),
        ("x", None),
        ("", None),
    ],
)
def test_limits(text: str, size: int | None) -> None:
    assert limit_bytes(text) == size
