"""What was noted at set-up against what is there now."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.fixture_hosts.parts import Parts, file
from support.fixture_hosts.recipes.passthrough import vm
from support.machines import function, whole
from support.with_cards import BASE, CARD, NVME, card, own
from vfio_doctor.checks.vfio.moved import VfioGroupsMoved
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import Registry
from vfio_doctor.facts.base import Facts
from vfio_doctor.facts.pci.recorded_groups import RECORDED_GROUPS, groups_now
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.redaction.redact import redact
from vfio_doctor.model import CheckResult, Status
from vfio_doctor.parse.recorded_groups import Recorded, parse_recordings, recording

NIC = "0000:04:00.0"
IDS, OTHER = "10de:2482", "10de:1b80"


def judged(
    *functions: Recorded, more: tuple[Parts, ...] = (vm("01:00.0"),)
) -> CheckResult:
    nic = function(NIC, "8086:1521", "020000", "igb", 1)
    noted = file(RECORDED_GROUPS, recording(functions))
    host = whole(*BASE, card("vfio-pci"), own("i915"), nic, noted, *more)
    registry = Registry((VfioGroupsMoved,), (), (), ())
    found = diagnose(Facts(host), registry)[0]
    shared = diagnose(Facts(CapturedHost(redact(host.capture).capture)), registry)[0]
    assert said(found) == said(shared)
    return found


def said(found: CheckResult) -> list[str]:
    return [d.finding.message.id for d in found.diagnoses]


CARD_THEN = Recorded(CARD, IDS, 9)


@pytest.mark.parametrize(
    ("functions", "right"),
    [
        ((CARD_THEN, Recorded(NIC, "8086:1521", 9)), []),
        ((CARD_THEN, Recorded(NIC, "8086:1521", 8)), ["vfio-moved-joined"]),
        ((CARD_THEN,), ["vfio-moved-added"]),
        ((Recorded(CARD, OTHER, 9),), ["vfio-moved-other-device"]),
        ((Recorded(NVME, "144d:a808", 3),), []),
    ],
    ids=["renumbered", "joined", "added", "another card", "not noted"],
)
def test_what_moved(functions: tuple[Recorded, ...], right: list[str]) -> None:
    assert said(judged(*functions)) == right


def test_ids_mean_the_card_wherever_it_is() -> None:
    ids = file("/etc/modprobe.d/v.conf", f"options vfio-pci ids={IDS}\n")
    assert said(judged(Recorded(CARD, OTHER, 9), more=(ids,))) == []


def test_where_it_is_now_is_named() -> None:
    (found,) = judged(Recorded(CARD, "1002:67df", 9)).diagnoses
    assert "1002:67df is at 0000:02:00.0 now" in str(found.finding.advice)


def test_a_host_that_was_never_set_up() -> None:
    assert judged().status is Status.NOT_APPLICABLE


def test_what_is_noted_now_has_not_moved() -> None:
    host = whole(*BASE, card("vfio-pci"), own("i915"))
    noted = parse_recordings(groups_now(Facts(host)))
    assert Recorded(CARD, IDS, 1) in noted


@given(st.text(max_size=300))
def test_any_text(text: str) -> None:
    found = parse_recordings(text)
    assert parse_recordings(recording(found)) == found


@pytest.mark.parametrize(
    "text",
    [
        '{"functions": [["0000:01:00.0", "10de:2482", true]]}',
        '{"functions": [["../x", "10de:2482", 1]]}',
        '{"functions": {"a": 1}}',
        "[" * 100000,
    ],
)
def test_what_is_no_recording(text: str) -> None:
    assert parse_recordings(text) == ()


def test_the_newest_that_can_be_read_counts() -> None:
    text = recording([CARD_THEN]) + recording([Recorded(CARD, OTHER, 2)]) + "{torn"
    assert parse_recordings(text) == (Recorded(CARD, OTHER, 2),)
