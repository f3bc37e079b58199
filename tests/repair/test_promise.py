"""A repair is promised only if a plan can be made for it."""

from __future__ import annotations

import pytest

from support import hosts
from support.fixture_hosts import catalogue
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.facts.base import Facts
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.model import Applicability, CheckResult
from vfio_doctor.repair.plan import make_plan
from vfio_doctor.repair.promise import kept

GRUB = "/etc/default/grub"
MSRS = "kvm-reports-ignored-msrs"


def told(host: CapturedHost) -> tuple[CheckResult, ...]:
    facts = Facts(host)
    return kept(host, facts, diagnose(facts, load()))


def cannot(host: CapturedHost, check: str) -> str:
    """The id of why there is no repair, "" if one is promised."""
    (result,) = [each for each in told(host) if each.id == check]
    fix = result.diagnoses[0].fix
    assert fix is not None
    return fix.cannot.id if fix.cannot else ""


def test_a_broken_file_breaks_the_promise() -> None:
    sick = catalogue.host("case-kvmfr-16-bazzite40-half-setup")
    assert cannot(sick, MSRS) == ""
    broken = catalogue.host("case-read-018")
    assert cannot(broken, MSRS) == "grub-broken"


def test_an_unknown_loader_breaks_it_too() -> None:
    host = catalogue.host("case-read-018")
    lost = hosts.changed(host, absent=[GRUB, "/boot", "/usr/sbin"])
    results = {result.id: result for result in told(lost)}
    for diagnosis in results[MSRS].diagnoses:
        assert diagnosis.fix is None or diagnosis.fix.cannot


@pytest.mark.parametrize("name", catalogue.names()[::7])
def test_every_promise_can_be_planned(name: str) -> None:
    host = catalogue.host(name)
    facts = Facts(host)
    results = kept(host, facts, diagnose(facts, load()))
    from vfio_doctor.app.repair_machine import boot_tool
    from vfio_doctor.boot.selection import NO_STACK

    plan = make_plan(host, facts, results, boot_tool(host) or NO_STACK, risky=True)
    promised = {
        diagnosis.fix.id
        for result in results
        for diagnosis in result.diagnoses
        if diagnosis.fix
        and not diagnosis.fix.cannot
        and diagnosis.fix.applicability is not Applicability.MANUAL
    }
    unseen = {fix for each in plan.refused if each.unseen for fix in each.fixes}
    assert promised - unseen == {fix.id for fix in plan.fixes}
