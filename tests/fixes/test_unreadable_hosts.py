"""A plan made without root says what it could not see."""

from __future__ import annotations

import pytest

from support import hosts
from support.fixture_hosts import catalogue
from vfio_doctor.boot.selection import choose
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.facts.base import Facts
from vfio_doctor.repair.plan import make_plan
from vfio_doctor.repair.values import Plan

REGISTRY = load()


def plan_of(name: str, denied: tuple[str, ...]) -> Plan:
    host = hosts.changed(
        catalogue.host(name), files={path: hosts.denied(path) for path in denied}
    )
    facts = Facts(host)
    backend = choose(host, facts)
    return make_plan(host, facts, diagnose(facts, REGISTRY), backend)


@pytest.mark.parametrize(
    ("name", "denied"),
    [
        ("debian12-grub", "/etc/default/grub"),
        ("bazzite-no-size", "/etc/modprobe.d/kvmfr.conf"),
        ("debian12-module-not-loaded", "/etc/modules-load.d/kvmfr.conf"),
    ],
)
def test_the_file_that_could_not_be_read_is_named(name: str, denied: str) -> None:
    plan = plan_of(name, (denied,))
    seen = {getattr(step.step, "path", "") for step in plan.steps}
    assert denied not in seen
    facts = Facts(catalogue.host(name))
    known = {r.id for r in diagnose(facts, REGISTRY) if r.diagnoses}
    served = {s.check for fix in plan.fixes for s in fix.findings}
    told = [refused for refused in plan.refused if denied in refused.why]
    assert told or served < known
    assert all(refused.unseen or "denied" in refused.why for refused in told)
