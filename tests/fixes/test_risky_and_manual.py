"""What only ``--risky`` does, and what a person has to do: plan, text and JSON."""

from __future__ import annotations

import pytest

from support.fixture_hosts import systems
from support.fixture_hosts.hardware import intel_desktop, kvm
from support.fixture_hosts.parts import Parts
from support.machines import whole
from vfio_doctor.boot.selection import choose
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.diagnosis.report import assemble
from vfio_doctor.facts.base import Facts, Options
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.model import (
    Applicability,
    KernelArguments,
    ParameterStep,
    Report,
    RunInfo,
)
from vfio_doctor.repair.plan import make_plan
from vfio_doctor.repair.values import Plan
from vfio_doctor.report import json
from vfio_doctor.report.plan import plan_lines
from vfio_doctor.report.plan_document import plan_document
from vfio_doctor.report.style import Look
from vfio_doctor.report.text import render

REGISTRY = load()
RUNTIME = "/sys/module/kvm/parameters/ignore_msrs"
MSRS, DEVICE = "kvm-msrs-not-ignored", "kvm-device-missing"
QUIET = "quiet intel_iommu=on kvm.report_ignored_msrs=0"
BARRED = {"/etc/modprobe.d/virtualbox.conf": "# for VirtualBox\nblacklist kvm_intel\n"}
BY_HAND = (
    "Delete what keeps kvm_intel out, which is /etc/modprobe.d/virtualbox.conf:2"
    " (blacklist); kvm_intel is then loaded at the next boot"
)
UNLIMITED = Look(width=1 << 20)


def machine(*parts: Parts, loaded: bool) -> CapturedHost:
    """A Debian host with GRUB and a Core processor."""
    line = f"root={systems.ROOT_ID} ro {QUIET}"
    system = systems.linux("6.1.0", 252, line, "kvm_intel", loaded)
    return whole(*intel_desktop(), system, systems.grub("6.1.0", QUIET), *parts)


def msrs() -> CapturedHost:
    return machine(kvm("N", "N", "kvm_intel"), loaded=True)


def barred() -> CapturedHost:
    return machine(Parts(dict(BARRED)), loaded=False)


def judged(host: CapturedHost, ignore_msrs: bool = False) -> tuple[Facts, Report]:
    facts = Facts(host, Options(ignore_msrs=ignore_msrs))
    results = diagnose(facts, REGISTRY)
    return facts, assemble(host, facts, results, RunInfo("", 0, "a test"))


def planned(host: CapturedHost, ignore_msrs: bool, risky: bool) -> Plan:
    facts, report = judged(host, ignore_msrs)
    return make_plan(host, facts, report.checks, choose(host, facts), risky)


def shown(
    host: CapturedHost, check: str, ignore_msrs: bool = False
) -> dict[str, object]:
    """The fix that the JSON report offers for the only finding of a check."""
    _, report = judged(host, ignore_msrs)
    document = json.document(report)
    assert isinstance(document["checks"], list)
    (found,) = (held for held in document["checks"] if held["id"] == check)
    (finding,) = found["findings"]
    fix = finding["fix"]
    assert fix is None or isinstance(fix, dict)
    return fix or {}


def test_msrs_are_ignored_only_if_both_options_ask_for_it() -> None:
    assert not shown(msrs(), MSRS)
    for ignore_msrs, risky in ((False, True), (True, False)):
        plan = planned(msrs(), ignore_msrs, risky)
        assert "ignore-unknown-msrs" not in {fix.id for fix in plan.fixes}
        assert not plan.steps
    assert [fix.id for fix in plan.left] == ["ignore-unknown-msrs"]


def test_a_risky_plan_ignores_msrs_now_and_at_the_next_boot() -> None:
    plan = planned(msrs(), ignore_msrs=True, risky=True)
    (fix,) = plan.fixes
    assert fix.applicability is Applicability.RISKY
    assert KernelArguments(set_=("kvm.ignore_msrs=1",)) in fix.changes
    assert fix.may_be_lost is not None
    assert fix.may_be_lost.id == "msrs-hidden-errors"
    assert ParameterStep(RUNTIME, "N", "Y") in [held.step for held in plan.steps]
    assert plan.arguments is not None
    assert "kvm.ignore_msrs=1" in plan.arguments.after
    assert plan_document(plan)["left"] == []
    (row,) = rows(plan, "fixes")
    assert str(row["may_be_lost"]) in "\n".join(plan_lines(plan))


def test_text_and_json_say_what_a_risky_fix_can_cost() -> None:
    _, report = judged(msrs(), ignore_msrs=True)
    text = render(report, UNLIMITED)
    lost = "A guest then no longer sees real errors"
    assert "`sudo vfio-doctor --fix --risky`: Set kvm.ignore_msrs=1" in text
    assert lost in text
    fix = shown(msrs(), MSRS, ignore_msrs=True)
    assert fix["applicability"] == "risky"
    assert str(fix["may_be_lost"]).startswith(lost)
    assert fix["cannot"] == ""


@pytest.mark.parametrize("risky", [False, True])
def test_a_module_kept_out_on_purpose_is_left_to_the_person(risky: bool) -> None:
    plan = planned(barred(), ignore_msrs=False, risky=risky)
    (fix,) = (fix for fix in plan.left if fix.id == "load-kvm")
    assert fix.applicability is Applicability.MANUAL
    assert fix.changes == ()
    assert "load-kvm" not in {fix.id for fix in plan.fixes}
    assert str(fix.summary) == BY_HAND
    lines = "\n".join(str(line) for line in plan_lines(plan))
    assert f"Not done, to be done by hand: {BY_HAND}" in lines
    assert str(fix.may_be_lost) in lines
    (left,) = (row for row in rows(plan, "left") if row["id"] == "load-kvm")
    assert left["applicability"] == "manual"


def rows(plan: Plan, field: str) -> list[dict[str, object]]:
    held = plan_document(plan)[field]
    assert isinstance(held, list)
    return held


def test_text_and_json_say_what_to_do_by_hand() -> None:
    _, report = judged(barred())
    text = render(report, UNLIMITED)
    assert f"By hand: {BY_HAND}. Another program" in text
    assert f"By hand, follow the advice under {DEVICE}" in text
    fix = shown(barred(), DEVICE)
    assert (fix["id"], fix["applicability"]) == ("load-kvm", "manual")
    assert str(fix["may_be_lost"]).startswith("Another program")
    assert fix["summary"] == BY_HAND
