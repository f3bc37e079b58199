"""Devices that are to be taken from the host: false alarms and their neighbours."""

from __future__ import annotations

import pytest

from support.fixture_hosts.parts import Parts, file
from support.fixture_hosts.recipes.passthrough import vm
from support.machines import whole
from support.rows import for_each
from support.with_cards import BASE, CARD, OWN, boot_vga, card, own
from vfio_doctor.checks.vfio.busy import VfioDeviceBusy
from vfio_doctor.checks.vfio.display import VfioDisplayLost
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import Registry
from vfio_doctor.facts.base import Facts, Options
from vfio_doctor.host.reader import CommandResult
from vfio_doctor.model import CheckResult, Severity, Status

HOOK = file("/etc/libvirt/hooks/qemu", "#!/bin/sh\n")


def log(line: str) -> Parts:
    text = f"[    9.000000] {line}\n"
    return Parts(commands={("dmesg",): CommandResult(("dmesg",), 0, text, "")})


def judged(*parts: Parts, devices: tuple[str, ...] = ()) -> CheckResult:
    facts = Facts(whole(*BASE, *parts), Options(devices=devices))
    return diagnose(facts, Registry((VfioDeviceBusy,), (), (), ()))[0]


def said(found: CheckResult) -> list[tuple[str, Severity]]:
    return [(d.finding.message.id, d.severity) for d in found.diagnoses]


def advice(found: CheckResult) -> str:
    return str(found.diagnoses[0].finding.advice)


VM = vm("01:00.0")
SCREEN = ("vfio-busy-screen", Severity.WARNING)


@for_each(
    ("parts", "right"),
    [
        ((card("amdgpu"), own("i915"), boot_vga(CARD)), [SCREEN]),
        ((card("amdgpu"), own("i915"), boot_vga(OWN)), []),
        ((card("nvidia"), own("nvidia", "10de:1b80"), boot_vga(OWN)), ["both"]),
        ((card("nvidia"), own("amdgpu"), boot_vga(OWN)), []),
        ((card("nouveau"), own("nouveau", "10de:1b80"), boot_vga(OWN)), []),
        ((card("amdgpu"), own("i915"), boot_vga(CARD), HOOK), ["note"]),
    ],
    ids=["screen", "idle", "two on nvidia", "one on nvidia", "nouveau", "hook"],
)
def test_a_card_that_a_vm_takes(parts: tuple[Parts, ...], right: list[object]) -> None:
    both = ("vfio-busy-nvidia", Severity.WARNING)
    note = ("vfio-busy-screen", Severity.INFO)
    known = {"both": both, "note": note}
    expected = [known.get(one, one) if isinstance(one, str) else one for one in right]
    assert said(judged(VM, *parts)) == expected


def test_what_vfio_pci_has_is_not_taken() -> None:
    found = judged(VM, card("vfio-pci"), own("i915"))
    assert found.status is Status.NOT_APPLICABLE


def test_who_asks_about_the_screen_is_told() -> None:
    found = judged(card("amdgpu"), own("i915"), boot_vga(CARD), devices=("01:00.0",))
    assert said(found) == [SCREEN]


@pytest.mark.parametrize(
    "line",
    [
        f"NVRM: Attempting to remove device {CARD} with non-zero usage count!",
        "INFO: task rpc-libvirtd:871 blocked for more than 120 seconds.",
    ],
)
def test_a_detach_that_hung_is_an_error(line: str) -> None:
    found = judged(VM, card("nvidia"), own("amdgpu"), log(line))
    assert said(found) == [("vfio-busy-hangs", Severity.ERROR)]


def test_another_thread_that_hangs_is_none_of_it() -> None:
    other = "INFO: task kworker/3:2:871 blocked for more than 120 seconds."
    assert said(judged(VM, card("nvidia"), own("amdgpu"), log(other))) == []


def test_a_disk_with_root_on_it_is_an_error() -> None:
    found = judged(vm("03:00.0"))
    assert said(found) == [("vfio-busy-needed", Severity.ERROR)]
    asked = judged(devices=("03:00.0",))
    assert said(asked) == [("vfio-busy-needed", Severity.WARNING)]


def test_twins_are_bound_by_address_and_the_only_card_not_at_all() -> None:
    twin = own("nvidia", "10de:2482")
    assert "driver_override" in advice(judged(VM, card("nvidia"), twin))
    assert "no other graphics card" in advice(
        judged(VM, card("nvidia"), boot_vga(CARD))
    )


@pytest.mark.parametrize("module", ["kernel/drivers/vfio/pci/vfio-pci.ko", ""])
def test_a_built_in_vfio_pci_wants_an_argument(module: str) -> None:
    path = "/lib/modules/6.12.5/modules.builtin"
    both = (card("nvidia"), own("nvidia", "10de:1b80"), file(path, f"{module}\n"))
    text = advice(judged(VM, *both))
    assert ("kernel argument" in text) is bool(module)
    assert ("softdep" in text) is not bool(module)


AUTOSTART = Parts(folders=("/etc/libvirt/qemu/autostart/win11.xml",))


@pytest.mark.parametrize("parts", [(), (AUTOSTART,)], ids=["by hand", "at boot"])
def test_a_vm_that_starts_with_the_host_is_told(parts: tuple[Parts, ...]) -> None:
    found = judged(VM, card("amdgpu"), own("i915"), boot_vga(CARD), *parts)
    words = "the host starts win11 by itself"
    assert (words in str(found.diagnoses[0].finding.message)) is bool(parts)


@pytest.mark.parametrize("parts", [(), (AUTOSTART,)], ids=["by hand", "at boot"])
def test_the_only_card_from_boot_on(parts: tuple[Parts, ...]) -> None:
    facts = Facts(whole(*BASE, VM, card("amdgpu"), boot_vga(CARD), *parts))
    found = diagnose(facts, Registry((VfioDisplayLost,), (), (), ()))[0]
    right = ("vfio-only-card-while-running", Severity.INFO)
    if parts:
        right = ("vfio-only-card-from-boot", Severity.WARNING)
    assert said(found) == [right]
