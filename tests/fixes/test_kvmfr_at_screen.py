"""A person away from the screen: what the rule is said to do, and what it did."""

from __future__ import annotations

from support import hosts
from support.kvmfr_rules import GOOD, NEW, host
from support.rows import for_each
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.facts.base import Facts
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.repair.plan import propose
from vfio_doctor.repair.values import Effect, Ending, Outcome, PlannedFix
from vfio_doctor.repair.verify import verify

REGISTRY = load()
CLOSED = 'SUBSYSTEM=="kvmfr", GROUP="root", MODE="0600"\n'
SEAT = "/run/systemd/seats/seat0"
NOBODY = "ACTIVE_UID=\n"
DEVICE = "/dev/kvmfr0"


def planned(sick: CapturedHost) -> PlannedFix:
    results = diagnose(Facts(sick), REGISTRY, select=("kvmfr-device-owner",))
    [fix], refused = propose(results)
    assert not refused
    return fix


# Who is at the screen, the systemd, and what the plan says of alice.
WHO = [
    ("ACTIVE_UID=1000\n", 252, "so that you and QEMU can open"),
    (NOBODY, 252, "`--access owner` lets alice in anywhere"),
    (NOBODY, 258, "`--access group` lets alice in anywhere"),
    ("ACTIVE_UID=1001\n", 252, "alice while at the screen, which is not so now"),
]


@for_each(["seat", "systemd", "said"], WHO)
def test_the_plan_says_whom_it_serves(seat: str, systemd: int, said: str) -> None:
    sick = host({"70-kvmfr.rules": CLOSED}, systemd)
    away = hosts.changed(sick, files={SEAT: seat})
    assert said in str(planned(away).summary)


@for_each(
    ["after", "effect", "said"],
    [
        (GOOD, Effect.RESOLVED, "only while alice sits at the screen"),
        (CLOSED, Effect.FAILING, ""),
    ],
)
def test_open_at_the_screen_is_what_was_promised(
    after: str, effect: Effect, said: str
) -> None:
    sick = hosts.changed(host({"70-kvmfr.rules": CLOSED}), files={SEAT: NOBODY})
    fix = planned(sick)
    node = hosts.char_node(0o660, "root", 0, "kvm", 36, (242, 0))
    stats = {DEVICE: node} if after == GOOD else {}
    now = hosts.changed(sick, files={NEW: after}, stats=stats)
    [verdict] = verify(Facts(now), REGISTRY, (fix,), Outcome(Ending.DONE))
    assert verdict.effect is effect
    assert said in str(verdict.why or "")
