"""Kernels that are known to be bad, and accesses that the IOMMU has refused."""

from __future__ import annotations

import pytest

from support.fixture_hosts.parts import Parts, file
from support.fixture_hosts.recipes.passthrough import vm
from support.machines import function, whole
from support.rows import for_each
from support.with_cards import BASE, CARD, card, own
from vfio_doctor.checks.vfio.address_space import VfioMemoryTaken, VfioNoRoom
from vfio_doctor.checks.vfio.kernel import (
    VfioAcsOverrideIdle,
    VfioHostDmaRefused,
    VfioKernelRegression,
    point_release,
)
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import Registry
from vfio_doctor.facts.base import Facts
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.reader import CommandResult
from vfio_doctor.host.redaction.redact import redact
from vfio_doctor.model import CheckResult, Severity, Status

NIC = "0000:04:00.0"
RELEASE = "/proc/sys/kernel/osrelease"
HOST = (
    *BASE,
    card("vfio-pci"),
    own("i915"),
    vm("01:00.0"),
    function(NIC, "10ec:8168", "020000", "r8169", 4),
)


def judged(check: type, *parts: Parts) -> CheckResult:
    host = whole(*HOST, *parts)
    registry = Registry((check,), (), (), ())
    found = diagnose(Facts(host), registry)[0]
    shared = diagnose(Facts(CapturedHost(redact(host.capture).capture)), registry)[0]
    assert (found.status, len(found.diagnoses)) == (
        shared.status,
        len(shared.diagnoses),
    )
    return found


@for_each(
    ("release", "bad"),
    [
        ("6.14.2-zen1-1-zen", True),
        ("6.14.3-300.fc42.x86_64", True),
        ("6.14.1-arch1-1", False),
        ("6.14.4-arch1-1", False),
        ("6.12.23-1-lts", True),
        ("6.12.25-1-lts", False),
        ("6.6.87", True),
        ("6.1.134", True),
        ("6.1.0-33-amd64", False),
        ("6.8.12-9-pve", False),
    ],
)
def test_releases(release: str, bad: bool) -> None:
    found = judged(
        VfioKernelRegression, file("/proc/sys/kernel/osrelease", f"{release}\n")
    )
    assert [d.severity for d in found.diagnoses] == [Severity.INFO] * bad


def test_a_release_without_point_release_is_not_judged() -> None:
    found = judged(
        VfioKernelRegression, file("/proc/sys/kernel/osrelease", "6.14-custom\n")
    )
    assert found.status is Status.NOT_APPLICABLE
    assert point_release("6.14.2+deb13-amd64") == (6, 14, 2)


@pytest.mark.parametrize(
    ("line", "device"),
    [
        (
            "DMAR: [DMA Read NO_PASID] Request device [04:00.0] fault addr 0xdb000000"
            " [fault reason 0x06] PTE Read access is not set",
            NIC,
        ),
        (
            "DMAR: [DMA Write] Request device [02:00.0] fault addr ffe00000",
            "0000:02:00.0",
        ),
        (
            f"r8169 {NIC}: AMD-Vi: Event logged [IO_PAGE_FAULT domain=0x0010"
            " address=0xfff00000 flags=0x0020]",
            NIC,
        ),
        (
            "AMD-Vi: Event logged [IO_PAGE_FAULT device=04:00.0 domain=0x0010",
            NIC,
        ),
        ("DMAR: DRHD: handling fault status reg 2", ""),
        (
            "DMAR: [INTR-REMAP] Request device [04:00.0] fault index 25",
            "",
        ),
        (
            f"DMAR: [DMA Read] Request device [{CARD[5:]}] fault addr ffe00000",
            "",
        ),
    ],
    ids=["Intel", "Intel, old", "AMD", "AMD, old", "status", "interrupt", "guest's"],
)
def test_a_refused_access(line: str, device: str) -> None:
    log = CommandResult(("dmesg",), 0, f"[    9.000000] {line}\n", "")
    found = judged(VfioHostDmaRefused, Parts(commands={("dmesg",): log}))
    said = [str(d.finding.place) for d in found.diagnoses]
    assert said == ([device] if device else [])


def log(*lines: str) -> Parts:
    text = "".join(f"[    9.000000] {line}\n" for line in lines)
    return Parts(commands={("dmesg",): CommandResult(("dmesg",), 0, text, "")})


TAKEN = f"vfio-pci {CARD}: BAR 1: can't reserve [mem 0xe0000000-0xefffffff 64bit pref]"
FRAMEBUFFER = "[drm] Initialized simpledrm 1.0.0 20200625 for simple-framebuffer.0"


def test_memory_that_the_framebuffer_holds() -> None:
    (found,) = judged(VfioMemoryTaken, log(FRAMEBUFFER, TAKEN)).diagnoses
    assert "initcall_blacklist=sysfb_init" in str(found.finding.advice)
    assert "does nothing here" not in str(found.finding.advice)
    off = file("/proc/cmdline", "quiet video=efifb:off\n")
    (found,) = judged(VfioMemoryTaken, log(FRAMEBUFFER, TAKEN), off).diagnoses
    assert "`video=efifb:off` does nothing here" in str(found.finding.advice)
    assert not judged(VfioMemoryTaken, log(FRAMEBUFFER)).diagnoses


@pytest.mark.parametrize(
    ("lines", "bad"),
    [
        ((f"pci {CARD}: BAR 1: no space for [mem size 0x400000000 64bit pref]",), 1),
        ((f"pci {CARD}: BAR 1 [mem size 0x10000000]: can't assign; no space",), 1),
        ((f"pci {CARD}: BAR 1: failed to assign [mem size 0x10000000 pref]",), 1),
        (
            (
                f"pci {CARD}: BAR 1 [mem size 0x10000000]: can't assign; no space",
                f"pci {CARD}: BAR 1 [mem 0x4000000000-0x43ffffffff]: assigned",
            ),
            0,
        ),
        ((f"pci {CARD}: BAR 6: no space for [mem size 0x00080000 pref]",), 0),
        (("pci 0000:02:00.0: BAR 1: failed to assign [mem size 0x1]",), 0),
    ],
    ids=["old", "new", "failed", "found later", "ROM", "the host's"],
)
def test_room(lines: tuple[str, ...], bad: int) -> None:
    assert len(judged(VfioNoRoom, log(*lines)).diagnoses) == bad


UNKNOWN = (
    'Unknown kernel command line parameters "splash pcie_acs_override=downstream",'
    " will be passed to user space."
)


def test_an_override_that_the_kernel_does_not_know() -> None:
    line = file("/proc/cmdline", "quiet splash pcie_acs_override=downstream\n")
    assert len(judged(VfioAcsOverrideIdle, line, log(UNKNOWN)).diagnoses) == 1
    assert judged(VfioAcsOverrideIdle, line, log("x")).status is Status.PASS
    other = UNKNOWN.replace("pcie_acs_override=downstream", "quiet")
    assert not judged(VfioAcsOverrideIdle, line, log(other)).diagnoses
    assert judged(VfioAcsOverrideIdle).status is Status.NOT_APPLICABLE
