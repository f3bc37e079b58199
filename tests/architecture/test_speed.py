"""What scripts/bench says when its limits do not hold: the code, or the machine."""

from __future__ import annotations

import os
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import pytest

from support import load
from support.load import Moment
from support.rows import for_each

BENCH = Path(__file__).resolve().parents[2] / "scripts" / "bench"


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    loader = SourceFileLoader("bench", str(BENCH))
    module = ModuleType("bench")
    module.__file__ = str(BENCH)
    loader.exec_module(module)
    return module


@for_each(
    ("work", "ours", "processors", "share"),
    [
        (10, 10, 2, 0.0),
        (20, 10, 2, 0.5),
        (13, 10, 1, 0.3),
        (9, 10, 2, 0.0),
        (99, 0, 2, 1.0),
    ],
)
def test_what_others_use(work: int, ours: int, processors: int, share: float) -> None:
    since, until = Moment(5, 100, 50), Moment(15, 100 + work, 50 + ours)
    assert load.share_of_others(since, until, processors) == pytest.approx(share)


def test_no_time_no_share() -> None:
    moment = load.now()
    assert load.share_of_others(moment, moment, 2) == 0.0


def test_work_is_counted() -> None:
    before = load.now()
    while load.now().ours - before.ours < 0.05:
        sum(range(10_000))
    after = load.now()
    assert after.clock > before.clock
    assert after.all >= before.all


def test_limits_that_hold_at_last_hold(bench: ModuleType) -> None:
    tried: list[int] = []

    def hold(rounds: int) -> bool:
        tried.append(rounds)
        return len(tried) == 3

    assert bench.status(hold, 5) == 0
    assert tried == [5, 15, 45]


@pytest.mark.parametrize(
    ("threshold", "status"), [(2.0, 1), (0.0, load.CANNOT_SAY)], ids=["idle", "busy"]
)
def test_limits_that_never_hold(
    bench: ModuleType,
    threshold: float,
    status: int,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(load, "TOO_BUSY", threshold)
    assert bench.status(lambda _: False, 1) == status
    assert ("machine too busy" in capsys.readouterr().out) == (status != 1)


def test_the_status_is_one_that_means_try_again() -> None:
    assert load.CANNOT_SAY == os.EX_TEMPFAIL
