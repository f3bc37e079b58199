"""A kernel that has kvmfr built in: only its arguments count, and nothing loads it."""

from __future__ import annotations

import pytest

from support.fixture_hosts import looking_glass as lg
from support.fixture_hosts.parts import Parts, Recipe, capture, file, gone
from support.fixture_hosts.recipes import debian
from support.fixture_hosts.recipes import libvirt as lv
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.facts.base import Facts, Options
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.redaction.redact import redact
from vfio_doctor.model import Diagnosis

BUILT_IN = (
    gone(f"/lib/modules/{debian.KERNEL}/extra"),
    file(f"/lib/modules/{debian.KERNEL}/modules.dep", ""),
    file(f"/lib/modules/{debian.KERNEL}/modules.builtin", "kernel/misc/kvmfr.ko\n"),
    file("/proc/modules", "kvm 1191936 0 - Live 0x0000000000000000\n"),
)
FILES = gone("/etc/modprobe.d/kvmfr.conf", "/etc/modules-load.d/kvmfr.conf")
REGISTRY = load()


def given(size: str) -> tuple[Parts, ...]:
    return debian.with_arguments(f"quiet intel_iommu=on kvmfr.static_size_mb={size}")


def _told(facts: Facts) -> list[Diagnosis]:
    results = diagnose(facts, REGISTRY)
    return [d for r in results if r.id.startswith("kvmfr") for d in r.diagnoses]


def found(*parts: Parts, size: int = 0) -> list[Diagnosis]:
    recipe: Recipe = lv.MONOLITHIC.but("built-in", "a test", *BUILT_IN, *parts)
    made = capture(recipe)
    asked = Options(size_mib=size)
    hosts = (CapturedHost(made), CapturedHost(redact(made).capture))
    ours = [_told(Facts(host, asked)) for host in hosts]
    first, second = ([d.finding.message.id for d in each] for each in ours)
    assert first == second
    return ours[0]


def test_an_argument_alone_is_enough() -> None:
    assert not found(FILES, *given("64"))


ADD = "give it the kernel argument kvmfr.static_size_mb=64"
ROWS = {
    "a size in modprobe.d": ((lg.no_device(),), "kvmfr-size-no-device", ADD),
    "no size": ((lg.no_device(), FILES), "kvmfr-size-no-device", ADD),
    "a device from nowhere": ((), "kvmfr-size-none-at-next-boot", ADD),
    "a bad argument": (
        (lg.no_device(), *given("64M")),
        "kvmfr-size-no-device",
        "Change the kernel argument to kvmfr.static_size_mb=64",
    ),
}


@pytest.mark.parametrize("name", ROWS)
def test_the_argument_is_what_is_told(name: str) -> None:
    parts, message, advice = ROWS[name]
    (said,) = found(*parts)
    assert said.finding.message.id == message
    assert advice in str(said.finding.advice)
    assert "modprobe -r" not in str(said.finding.advice)
    assert said.fix
    in_place = name == "a bad argument"
    assert (said.fix.id == "size-kvmfr-at-boot" and not said.fix.cannot) is in_place
    assert in_place or (said.fix.cannot and said.fix.cannot.id == "size-kvmfr-built-in")


def test_a_size_that_is_asked_for_changes_the_argument() -> None:
    (said,) = found(*given("64"), size=128)
    assert said.fix
    assert said.fix.id == "size-kvmfr-at-boot"
    assert "kvmfr.static_size_mb=128" in str(said.fix.changes)
