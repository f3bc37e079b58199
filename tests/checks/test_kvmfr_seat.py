"""The tag uaccess serves who sits at the screen: nobody over ssh, or without a seat."""

from __future__ import annotations

import pytest

from support import hosts
from support.fixture_hosts import catalogue
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.facts.base import Facts, Options
from vfio_doctor.host.reader import Missing, Why
from vfio_doctor.model import Diagnosis, EditLine, Severity, Status

CHECK = "kvmfr-device-owner"
SEAT = "/run/systemd/seats/seat0"
ABSENT = Missing(SEAT, Why.ABSENT)


def judged(
    seat: str | Missing, name: str = "healthy-bluefin", access: str = "auto"
) -> tuple[Status, list[Diagnosis]]:
    host = catalogue.host(name)
    without_acl = host.capture.stats["/dev/kvmfr0"]
    assert not isinstance(without_acl, Missing)
    node = {"/dev/kvmfr0": without_acl._replace(acl=())}
    away = hosts.changed(host, files={SEAT: seat}, stats=node)
    (result,) = diagnose(Facts(away, Options(access=access)), load(), (CHECK,))
    return result.status, list(result.diagnoses)


@pytest.mark.parametrize("seat", ["ACTIVE_UID=42\n", "# nobody\n", ABSENT])
def test_who_is_elsewhere_is_told(seat: str | Missing) -> None:
    status, [found] = judged(seat)
    assert (status, found.severity) == (Status.FAIL, Severity.INFO)
    assert found.finding.message.id == "kvmfr-node-at-screen-only"
    assert "vfio-doctor --fix --access" in str(found.finding.advice)
    assert found.fix
    assert found.fix.cannot
    assert found.fix.cannot.id == "grant-kvmfr-at-screen"


def test_who_sits_there_and_has_no_acl_is_locked_out() -> None:
    status, [found] = judged("ACTIVE_UID=1000\n")
    assert (status, found.severity) == (Status.FAIL, Severity.ERROR)


def test_a_seat_that_cannot_be_seen_decides_nothing() -> None:
    status, found = judged(Missing(SEAT, Why.DENIED))
    assert (status, found) == (Status.UNKNOWN, [])


def test_a_way_that_was_asked_for_is_made() -> None:
    _, [found] = judged(ABSENT, access="owner")
    assert found.fix
    assert not found.fix.cannot
    rules = [c.new or "" for c in found.fix.changes if isinstance(c, EditLine)]
    assert any('OWNER="' in rule for rule in rules)
