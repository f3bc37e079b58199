"""Which bridge is to blame for a big group, and how much of that was seen."""

from __future__ import annotations

import pytest

from support import hosts
from support.config_space import bridge
from support.fixture_hosts.parts import Parts, file
from support.fixture_hosts.recipes.passthrough import vm
from support.machines import PCI, function, whole
from support.with_cards import BASE, CARD, card, own
from vfio_doctor.checks.vfio.group import VfioGroupShared
from vfio_doctor.checks.vfio.lost import VfioDeviceLost
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import Registry
from vfio_doctor.facts.base import Facts
from vfio_doctor.facts.pci.verdict import Verdicts
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.redaction.redact import redact
from vfio_doctor.model import CheckResult, Status

PORT, SWITCH, NIC = "0000:00:1c.0", "0000:05:00.0", "0000:06:00.0"
ROOT = f"../../../devices/pci0000:00/{PORT}"
TREE = Parts(
    stats={
        f"{PCI}/{PORT}": hosts.link(f"../../../devices/pci0000:00/{PORT}"),
        f"{PCI}/{SWITCH}": hosts.link(f"{ROOT}/{SWITCH}"),
        f"{PCI}/{CARD}": hosts.link(f"{ROOT}/{SWITCH}/{CARD}"),
        f"{PCI}/{NIC}": hosts.link(f"{ROOT}/{NIC}"),
    }
)
SHARED = (
    function(PORT, "8086:a110", "060400", "pcieport", 1),
    function(SWITCH, "1002:1478", "060400", "pcieport", 1),
    function(NIC, "8086:1521", "020000", "igb", 1),
    card("vfio-pci"),
    own("i915"),
    vm("01:00.0"),
    TREE,
)


def spaces(*data: tuple[str, bytes]) -> tuple[Parts, ...]:
    return tuple(file(f"{PCI}/{bdf}/config", inside) for bdf, inside in data)


def judged(check: type, *parts: Parts, twice: bool = False) -> CheckResult:
    host = whole(*BASE, *parts)
    registry = Registry((check,), (), (), ())
    found = diagnose(Facts(host), registry)[0]
    if twice:
        shared = diagnose(Facts(CapturedHost(redact(host.capture).capture)), registry)[
            0
        ]
        texts = [(d.finding.message, d.finding.advice) for d in found.diagnoses]
        assert [(d.finding.message, d.finding.advice) for d in shared.diagnoses] == (
            texts
        )
    return found


def why(*parts: Parts) -> str:
    (found,) = judged(VfioGroupShared, *SHARED, *parts, twice=True).diagnoses
    return str(found.finding.advice).partition(" Move")[0]


ON, OFF, NONE = bridge((0x1D, 0x1D)), bridge((0x1D, 0)), bridge(None)
BLAMED = f"{PORT} is the bridge that does not keep them apart: "


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (spaces((PORT, NONE)), f"{BLAMED}it has no ACS."),
        (spaces((PORT, OFF)), f"{BLAMED}its ACS is not switched on."),
        (spaces((PORT, NONE[:64])), f"{BLAMED}it is above {CARD} and in the group"),
        ((), f"{BLAMED}it is above {CARD} and in the group"),
        (spaces((PORT, ON), (SWITCH, NONE)), "Move"),
    ],
    ids=["none", "off", "not root", "not read", "on"],
)
def test_the_bridge_nearest_the_root_is_to_blame(
    parts: tuple[Parts, ...], said: str
) -> None:
    assert why(*parts).startswith(said)


def test_no_bridge_is_blamed_if_the_tree_is_not_known() -> None:
    # Any of them may be beside the card, and nothing was read of its ACS.
    one = (*SHARED[:1], *SHARED[2:-1])
    (found,) = judged(VfioGroupShared, *one, twice=True).diagnoses
    assert "keep them apart" not in str(found.finding.advice)
    facts = Facts(whole(*BASE, *one))
    words = str(facts[Verdicts].by_address[CARD].words)
    assert "in one group with" in words
    assert "ACS" not in words


def test_a_sleeping_bridge_is_left_asleep() -> None:
    asleep = file(f"{PCI}/{PORT}/power_state", "D3hot\n")
    assert "in the group itself" in why(asleep, *spaces((PORT, NONE)))


def test_root_reads_more_than_the_header() -> None:
    awake = file(f"{PCI}/{CARD}/power_state", "D0\n")
    card_parts = (card("vfio-pci"), own("i915"), vm("01:00.0"), awake)
    answers = judged(VfioDeviceLost, *card_parts, *spaces((CARD, NONE)), twice=True)
    assert answers.status is Status.PASS
    gone = judged(
        VfioDeviceLost, *card_parts, *spaces((CARD, b"\xff" * 4096)), twice=True
    )
    assert gone.status is Status.FAIL
