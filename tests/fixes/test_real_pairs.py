"""What a real kernel said before and after a repair (scripts/e2e)."""

from __future__ import annotations

import pytest

from support.fixture_hosts import catalogue
from vfio_doctor.boot.selection import choose
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.facts.base import CannotFix, Facts
from vfio_doctor.model import Status
from vfio_doctor.repair.plan import make_plan
from vfio_doctor.repair.values import Plan

REGISTRY = load()
CURED = "-cured"
PAIRS = [
    name.removesuffix(CURED)
    for name in catalogue.files()
    if name.startswith("real-") and name.endswith(CURED)
]
# A matter of taste: the repair leaves it to --ignore-msrs.
LEFT = {"kvm-msrs-not-ignored"}
# What the firmware, or the machine outside, has to switch on.
NO_FIX = ("real-cpu-virtualization-off", "real-iommu-firmware-off")


def judged(name: str) -> tuple[set[str], Plan]:
    """Return the checks that fail on a host, and the plan that is made for it."""
    host = catalogue.host(name)
    facts = Facts(host)
    results = diagnose(facts, REGISTRY)
    assert not [r.id for r in results if r.status is Status.ERROR]
    try:
        backend = choose(host, facts)
    except CannotFix as why:
        plan = make_plan(host, facts, results, why.message)
    else:
        plan = make_plan(host, facts, results, backend)
    return {r.id for r in results if r.status is Status.FAIL}, plan


@pytest.mark.parametrize("name", PAIRS)
def test_the_sick_host_is_planned_for_and_the_cured_one_is_not(name: str) -> None:
    sick, plan = judged(name)
    served = {found.check for fix in plan.fixes for found in fix.findings}
    assert sick - LEFT == served
    cured, again = judged(f"{name}{CURED}")
    assert cured <= LEFT
    assert not again.steps


@pytest.mark.parametrize("name", NO_FIX)
def test_what_only_the_firmware_can_do_is_in_no_plan(name: str) -> None:
    sick, plan = judged(name)
    check = name.removeprefix("real-")
    assert check in sick
    assert check not in {f.check for fix in plan.fixes for f in fix.findings}


def test_healthy_is_healthy() -> None:
    sick, plan = judged("real-healthy")
    assert not sick
    assert not plan.steps


def test_the_pairs_are_many() -> None:
    assert len(PAIRS) >= 11
