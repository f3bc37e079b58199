"""Siblings of the cases: the size that is set, that the device has, and the VM's."""

from __future__ import annotations

from support.fixture_hosts import looking_glass as lg
from support.fixture_hosts.parts import Parts, file
from support.fixture_hosts.recipes import bluefin
from support.fixture_hosts.recipes import libvirt as lv
from support.machines import whole
from support.rows import for_each
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.facts.base import Facts
from vfio_doctor.model import Diagnosis, EditLine, LoadModule, Severity

REGISTRY = load()
BARE = bluefin.bluefin(bluefin.GOOD)
ARGUMENT = bluefin.bluefin(f"{bluefin.GOOD} kvmfr.static_size_mb=128")
NODE = lg.node("root", 0, "qemu", 107, acl=True)


def found(*parts: Parts) -> tuple[Diagnosis, ...]:
    host = whole(*lv.MODULAR.parts, *parts)
    (told,) = diagnose(Facts(host), REGISTRY, select=["kvmfr-no-device"])
    return told.diagnoses


def option(mib: int) -> Parts:
    return file("/etc/modprobe.d/kvmfr.conf", f"options kvmfr static_size_mb={mib}\n")


@for_each(
    ("given", "held", "mapped", "severity", "said", "by_hand"),
    [
        (128, 128, 128, None, "", ""),
        (64, 128, 128, Severity.WARNING, "and does not start then", "size_mb=128'"),
        (256, 128, 128, Severity.WARNING, "win11 maps 128 MiB", "size_mb=128'"),
        (128, 64, 128, Severity.ERROR, "does not start before that", "modprobe -r"),
        (128, 256, 128, Severity.WARNING, "win11 maps 128 MiB", "modprobe -r"),
        (64, 128, 256, Severity.ERROR, "maps 256 MiB, and does not", "size_mb=256'"),
        (64, 128, 100, Severity.WARNING, "when kvmfr is loaded next", "If that is"),
    ],
)
def test_the_vm_decides_between_two_sizes(
    given: int, held: int, mapped: int, severity: Severity, said: str, by_hand: str
) -> None:
    device = lg.loaded(NODE, held, ("uaccess", "seat"))
    told = found(*BARE, option(given), device, lv.vm(mapped))
    assert [d.severity for d in told] == [severity] * bool(said)
    assert all(said in str(d.finding.message) for d in told)
    assert all(by_hand in str(d.finding.advice) for d in told)


def test_what_is_set_follows_the_vm_and_nothing_is_loaded_again() -> None:
    (said,) = found(*BARE, option(64))
    old, new = (f"options kvmfr static_size_mb={mib}" for mib in (64, 128))
    assert said.fix
    assert said.fix.changes == (EditLine("/etc/modprobe.d/kvmfr.conf", old, new),)


@for_each("set_", [(*BARE, option(128)), ARGUMENT])
def test_a_device_of_before_is_made_anew_for_the_vm(set_: tuple[Parts, ...]) -> None:
    (said,) = found(*set_, lg.loaded(NODE, 64, ("uaccess", "seat")))
    assert said.fix
    assert said.fix.changes == (LoadModule("kvmfr", reload=True),)


@for_each(("mapped", "why"), [(256, "size-kvmfr-third"), (100, "size-kvmfr-works")])
def test_no_size_is_chosen_that_nobody_named(mapped: int, why: str) -> None:
    (said,) = found(*BARE, option(64), lv.vm(mapped))
    assert said.fix
    assert said.fix.cannot
    assert said.fix.cannot.id == why
