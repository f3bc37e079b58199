"""An area that nothing asks for is not imported, and is reported all the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from support import hosts
from support.fixture_hosts import catalogue
from support.rows import for_each
from vfio_doctor.api import Check
from vfio_doctor.diagnosis.areas import DEMANDS, stand_ins
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import Registry, load
from vfio_doctor.facts.base import Facts, Options
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.model import Status

ROOT = Path(__file__).resolve().parents[2]
WANTED = {"/etc/modules-load.d/kvmfr.conf": "kvmfr\n"}
SHOWN = """
import sys
from vfio_doctor.app.diagnosis import diagnosed
from vfio_doctor.app.chosen import Chosen
diagnosed(Chosen(capture=sys.argv[1], areas=tuple(sys.argv[2:])))
print(*(name for name in sys.modules if "kvmfr" in name))
"""


def results(host: CapturedHost, select: tuple[str, ...] = ()) -> tuple[object, ...]:
    facts = Facts(host)
    return diagnose(facts, load(facts, select), select)


def of_kvmfr(registry: Registry) -> list[type[Check]]:
    return [check for check in registry.checks if check.id.startswith("kvmfr-")]


def of_vfio(registry: Registry) -> list[type[Check]]:
    return [check for check in registry.checks if check.id.startswith("vfio-")]


@for_each("area", DEMANDS)
def test_the_index_says_what_the_classes_say(area: str) -> None:
    inside = f"vfio_doctor.checks.{area}."
    own = [c for c in load().checks if c.__module__.startswith(inside)]
    assert own
    assert [(c.id, c.title, c.severity, c.requires) for c in stand_ins(area)] == [
        (c.id, c.title, c.severity, c.requires) for c in own
    ]


@for_each("area", DEMANDS)
def test_what_an_area_repairs_lies_within_it(area: str) -> None:
    """Fixes that stay away with an area must not be missed by another one's check."""
    registry = load()
    own = {
        c.id
        for c in registry.checks
        if c.__module__.startswith(f"vfio_doctor.checks.{area}.")
    }
    inside = f"vfio_doctor.fixes.{area}."
    fixes = [f for f in registry.fixes if f.__module__.startswith(inside)]
    assert fixes or area in ("vfio", "vm")
    solved = {check for fix in fixes for check in fix.solves}
    # Where libvirt has no VM, none maps a kvmfr device.
    assert solved - {"kvmfr-not-in-device-list"} <= own


def test_a_report_is_the_same_with_and_without_the_area() -> None:
    host = hosts.build({})
    facts = Facts(host)
    assert results(host) == diagnose(facts, load())
    own = [c.id for c in stand_ins("kvmfr")]
    found = {r.id: r for r in diagnose(facts, load(facts))}
    assert {found[check_id].status for check_id in own} == {Status.NOT_APPLICABLE}
    assert all(str(found[check_id].reason) for check_id in own)


@pytest.mark.parametrize(
    ("host", "options", "select"),
    [
        pytest.param(hosts.build(WANTED), Options(), (), id="the host"),
        pytest.param(hosts.build({}), Options(areas=("kvmfr",)), (), id="--with"),
        pytest.param(hosts.build({}), Options(), ("kvmfr",), id="--select area"),
        pytest.param(hosts.build({}), Options(), ("kvmfr-no-device",), id="--select"),
    ],
)
def test_who_asks_for_it_gets_it(
    host: CapturedHost, options: Options, select: tuple[str, ...]
) -> None:
    assert of_kvmfr(load(Facts(host, options), select)) == of_kvmfr(load())


@pytest.mark.parametrize(
    ("options", "select"),
    [
        pytest.param(Options(devices=("0000:01:00.0",)), (), id="--device"),
        pytest.param(Options(), ("vfio",), id="--select area"),
        pytest.param(Options(), ("vfio-not-bound",), id="--select"),
    ],
)
def test_who_names_a_device_gets_the_rules_of_devices(
    options: Options, select: tuple[str, ...]
) -> None:
    found = load(Facts(hosts.build({}), options), select)
    assert of_vfio(found) == of_vfio(load())
    assert of_vfio(load(Facts(hosts.build({})))) != of_vfio(load())


def test_a_stand_in_never_says_that_all_is_well() -> None:
    nobody, somebody = Facts(hosts.build({})), Facts(hosts.build(WANTED))
    found = diagnose(somebody, load(nobody), ("kvmfr-no-device",))
    assert [r.status for r in found] == [Status.ERROR]


@pytest.mark.runs("python")
@pytest.mark.parametrize(
    ("options", "wanted"), [((), False), (("kvmfr",), True)], ids=["nobody", "--with"]
)
def test_nothing_of_it_is_imported(options: tuple[str, ...], wanted: bool) -> None:
    host = catalogue.path("healthy-fedora-no-looking-glass")
    done = subprocess.run(
        [sys.executable, "-c", SHOWN, str(host), *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )
    rules = {n for n in done.stdout.split() if not n.endswith((".kvmfr", "._index"))}
    # What asks for it, and constants that others share with it.
    shared = ("intent", "limits", "names")
    rules -= {f"vfio_doctor.facts.kvmfr.{name}" for name in shared}
    assert bool(rules) is wanted, rules


def test_what_nobody_asks_for_waits_for_nothing() -> None:
    cpu = "vendor_id\t: AuthenticAMD\nflags\t\t: lm\n"
    facts = Facts(hosts.build({"/proc/cpuinfo": cpu}))
    found = {r.id: r for r in diagnose(facts, load())}
    assert found["cpu-virtualization-off"].status is not Status.PASS
    waiting = {i.partition("-")[0] for i, r in found.items() if r.blocked_by}
    assert not waiting & set(DEMANDS)
