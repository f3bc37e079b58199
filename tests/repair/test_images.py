"""Images are made anew for every kernel, read back, and made anew by undo."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import played_machine as played
from support.played_images import SECOND, host_in, machine, things
from support.unbound_card import CARD, IMAGE
from vfio_doctor.boot.selection import choose
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.facts.base import Facts
from vfio_doctor.repair.journal import runs
from vfio_doctor.repair.journal_lines import RunState
from vfio_doctor.repair.plan import make_plan
from vfio_doctor.repair.resume import undo_run
from vfio_doctor.repair.session import apply_plan
from vfio_doctor.repair.values import Effect, Ending, Outcome, Plan, StepState
from vfio_doctor.repair.verify import verify

REGISTRY = load()


def planned(host: played.PlayedHost) -> Plan:
    facts = Facts(host)
    results = diagnose(facts, REGISTRY, ("vfio-not-bound",))
    return make_plan(host, facts, results, choose(host, facts), risky=True)


def applied(host: played.PlayedHost, fault: str = "") -> tuple[Plan, Outcome]:
    plan = planned(host)
    return plan, apply_plan(plan, machine(host, fault))


@pytest.mark.runs("sh")
def test_every_image_holds_it_and_undo_makes_them_as_they_were(tmp_path: Path) -> None:
    host = host_in(tmp_path)
    before = things(host)
    plan, outcome = applied(host)
    assert outcome.ending is Ending.DONE, outcome
    for path in (IMAGE, SECOND):
        text = (tmp_path / path.lstrip("/")).read_text()
        assert "etc/modprobe.d/vfio-doctor.conf" in text
        assert "vfio-pci.ko" in text
    found = verify(Facts(host), REGISTRY, plan.fixes, outcome)
    assert {verdict.effect for verdict in found} == {Effect.AFTER_REBOOT}
    assert not planned(host).steps

    # As long as the tool is broken, no later try says that all is back.
    assert undo_run(machine(host, "broken")).ending is Ending.STUCK
    assert undo_run(machine(host)).ending is Ending.UNDONE
    assert things(host) == before


@pytest.mark.runs("sh")
def test_a_broken_tool_that_kept_the_images_is_rolled_back(tmp_path: Path) -> None:
    """It cannot make the images anew, and it need not: none was replaced."""
    host = host_in(tmp_path)
    before = things(host)
    _, outcome = applied(host, "broken")
    assert outcome.ending is Ending.ROLLED_BACK, outcome
    assert "hooks/broken failed" in str(outcome.why)
    assert things(host) == before
    (run,) = runs(machine(host).files)
    assert run.state is RunState.UNDONE
    assert applied(host)[1].ending is Ending.DONE


@pytest.mark.runs("sh")
def test_what_a_broken_tool_replaced_is_made_anew(tmp_path: Path) -> None:
    """It fails at the second image each time, and has made the first one by then."""
    host = host_in(tmp_path)
    before = things(host)
    _, outcome = applied(host, "half broken")
    assert outcome.ending is Ending.ROLLED_BACK, outcome
    after = things(host)
    first = IMAGE.lstrip("/")
    assert b"vfio-doctor" not in after[first].content
    assert {path for path in before if after[path] != before[path]} == {first}


@pytest.mark.runs("sh")
def test_an_image_that_cannot_be_made_anew_is_named(tmp_path: Path) -> None:
    host = host_in(tmp_path)
    before = things(host)
    _, outcome = applied(host, "worse")
    assert outcome.ending is Ending.STUCK, outcome
    kept = [str(one.why) for one in outcome.steps if one.state is StepState.KEPT]
    assert len(kept) == 1
    assert f"but {IMAGE} was made from the new ones" in kept[0]
    assert undo_run(machine(host)).ending is Ending.UNDONE
    assert things(host) == before


@pytest.mark.runs("sh")
@pytest.mark.parametrize("fault", ["fails", "leaves out"])
def test_a_tool_that_fails_is_rolled_back(tmp_path: Path, fault: str) -> None:
    host = host_in(tmp_path)
    before = things(host)
    _, outcome = applied(host, fault)
    assert outcome.ending is Ending.ROLLED_BACK, outcome
    said = {"fails": "No space left", "leaves out": "does not show"}
    assert said[fault] in str(outcome.why)
    assert things(host) == before
    assert CARD in str(planned(host).fixes)
