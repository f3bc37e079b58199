"""What was noted at set-up against what is there now."""

from __future__ import annotations

import pytest

from support.fixture_hosts.parts import Parts, file
from support.fixture_hosts.recipes.passthrough import vm
from support.machines import function, whole
from support.with_cards import BASE, CARD, NVME, card, own
from vfio_doctor.checks.vfio.moved import VfioGroupsMoved
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import Registry
from vfio_doctor.facts.base import Facts
from vfio_doctor.facts.pci.devices import PciDevices
from vfio_doctor.facts.pci.recorded_groups import RECORD, recorded
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.redaction.redact import redact
from vfio_doctor.model import CheckResult, Status
from vfio_doctor.parse.recorded_groups import RecordedGroup, parse

NIC = "0000:04:00.0"
IDS, OTHER = "10de:2482", "10de:1b80"


def judged(
    *functions: RecordedGroup, more: tuple[Parts, ...] = (vm("01:00.0"),)
) -> CheckResult:
    nic = function(NIC, "8086:1521", "020000", "igb", 1)
    noted = file(RECORD, "".join(f"{one.line}\n" for one in functions))
    host = whole(*BASE, card("vfio-pci"), own("i915"), nic, noted, *more)
    registry = Registry((VfioGroupsMoved,), (), (), ())
    found = diagnose(Facts(host), registry)[0]
    shared = diagnose(Facts(CapturedHost(redact(host.capture).capture)), registry)[0]
    assert said(found) == said(shared)
    return found


def said(found: CheckResult) -> list[str]:
    return [d.finding.message.id for d in found.diagnoses]


CARD_THEN = RecordedGroup(CARD, IDS, 9, (CARD,))
ANOTHER = RecordedGroup(CARD, OTHER, 9, (CARD,))


@pytest.mark.parametrize(
    ("noted", "right"),
    [
        (CARD_THEN._replace(members=(CARD, NIC)), []),
        (CARD_THEN, ["vfio-moved-joined"]),
        (ANOTHER, ["vfio-moved-other-device"]),
        (RecordedGroup(NVME, "144d:a808", 3, (NVME,)), []),
    ],
    ids=["renumbered", "joined", "another card", "not noted"],
)
def test_what_moved(noted: RecordedGroup, right: list[str]) -> None:
    assert said(judged(noted)) == right


def test_ids_mean_the_card_wherever_it_is() -> None:
    ids = file("/etc/modprobe.d/v.conf", f"options vfio-pci ids={IDS}\n")
    assert said(judged(ANOTHER, more=(ids,))) == []


def test_where_it_is_now_is_named() -> None:
    (found,) = judged(ANOTHER._replace(ids="1002:67df")).diagnoses
    assert "1002:67df is at 0000:02:00.0 now" in str(found.finding.advice)


def test_a_host_that_was_never_set_up() -> None:
    assert judged().status is Status.NOT_APPLICABLE


def test_what_is_noted_now_has_not_moved() -> None:
    facts = Facts(whole(*BASE, card("vfio-pci"), own("i915")))
    functions = tuple(d for d in facts[PciDevices].devices if d.bdf == CARD)
    noted = parse("".join(f"{line}\n" for line in recorded(functions, facts)))
    assert noted == (RecordedGroup(CARD, IDS, 1, noted[0].members),)
    assert CARD in noted[0].members
