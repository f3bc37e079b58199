"""One repair mends all broken links that can be seen."""

from __future__ import annotations

import pytest

from support.fixture_hosts import catalogue
from support.fixture_hosts.parts import Parts, gone
from support.fixture_hosts.recipes import libvirt as lv
from support.machines import whole
from vfio_doctor.app.chosen import Chosen
from vfio_doctor.app.diagnosis import diagnosed
from vfio_doctor.app.printed import rendered
from vfio_doctor.boot.selection import choose
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.facts.base import Facts
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.model import Applicability, Status, Waiting
from vfio_doctor.repair.ahead import plan_ahead, waiting
from vfio_doctor.repair.promise import kept
from vfio_doctor.repair.values import Plan

REGISTRY = load()
NO_RULE = gone("/etc/apparmor.d/abstractions/libvirt-qemu.d")
DEFAULT = lv.conf("", "libvirt-qemu")
LIST, ARMOR = "list-libvirt-devices", "open-kvmfr-in-apparmor"


def planned(*parts: Parts, base: tuple[Parts, ...] = lv.MONOLITHIC.parts) -> Plan:
    host = whole(*base, *parts)
    facts = Facts(host)
    results = diagnose(facts, REGISTRY)
    return plan_ahead(host, facts, REGISTRY, results, choose(host, facts))


def fixes(plan: Plan) -> set[str]:
    return {fix.id for fix in plan.fixes}


def test_the_link_behind_the_broken_one_is_mended_too() -> None:
    host = whole(*lv.MONOLITHIC.parts, DEFAULT, NO_RULE)
    found = {r.id: r.status for r in diagnose(Facts(host), REGISTRY)}
    assert found["kvmfr-not-in-device-list"] is Status.FAIL
    assert found["kvmfr-apparmor-denies"] is Status.BLOCKED
    assert {LIST, ARMOR} <= fixes(planned(DEFAULT, NO_RULE))


def test_a_link_in_order_is_left_alone() -> None:
    assert ARMOR not in fixes(planned(DEFAULT))
    assert LIST not in fixes(planned(NO_RULE))


def test_what_no_plan_mends_has_the_rest_wait() -> None:
    broken = lv.conf("user = alice\n", "libvirt-qemu")
    assert not {LIST, ARMOR} & fixes(planned(broken, NO_RULE))


def counted(host: CapturedHost) -> tuple[Waiting, list[int]]:
    """Return what waits, and how many problems are mended: without --risky, with."""
    facts = Facts(host)
    results = kept(host, facts, diagnose(facts, REGISTRY))
    tool = choose(host, facts)
    plans = [
        plan_ahead(host, facts, REGISTRY, results, tool, risky)
        for risky in (False, True)
    ]
    promised = [
        d.fix.applicability
        for result in results
        for d in result.diagnoses
        if d.fix and not d.fix.cannot
    ]
    found = waiting(host, facts, REGISTRY, results)
    safe = promised.count(Applicability.SAFE) + found.safe
    both = safe + promised.count(Applicability.RISKY) + found.risky
    made = [sum(len(fix.findings) for fix in plan.fixes) for plan in plans]
    assert made == [safe, both]
    return found, made


def test_the_report_counts_what_the_plan_mends() -> None:
    untriggered = catalogue.host("case-kvmfr-01a-debian-untriggered")
    assert counted(untriggered) == (Waiting(1, 0), [2, 2])
    assert counted(whole(*lv.MONOLITHIC.parts, NO_RULE)) == (Waiting(), [1, 1])
    labelled = (*lv.MODULAR.parts, lv.selinux("device_t"), lv.conf(""))
    assert counted(whole(*labelled)) == (Waiting(0, 1), [1, 2])
    hidden = gone("/etc/libvirt")
    assert counted(whole(*lv.MONOLITHIC.parts, hidden)) == (Waiting(), [0, 0])


@pytest.mark.parametrize(("form", "counts"), [("text", True), ("json", False)])
def test_it_is_counted_where_it_is_printed(form: str, counts: bool) -> None:
    path = catalogue.path("case-kvmfr-01a-debian-untriggered")
    done = diagnosed(Chosen(format=form, capture=str(path), fail_on="error"))
    assert done.report.waiting == Waiting()
    said = rendered(done, Chosen(format=form))
    assert ("repairs 2 problems, 1 of which come" in " ".join(said.split())) is counts
