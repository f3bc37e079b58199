"""For every system call of a repair: die there, or have it fail."""

from __future__ import annotations

import errno
import itertools
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from support import engine_faults as faults
from support import engine_trees as trees
from support.effort import is_all, is_quick, mostly_slow
from vfio_doctor.repair.resume import finish_run, undo_run
from vfio_doctor.repair.session import apply_plan
from vfio_doctor.repair.syscalls import Filesystem
from vfio_doctor.repair.values import Ending, Outcome


@pytest.fixture(name="folder")
def memory_folder() -> Iterator[Path]:
    with faults.quick_folder() as where:
        yield where


def each(calls: int) -> range:
    """Every call in CI; otherwise every eighth, or few of them in a quick run."""
    step = 1 if is_all() else 13 if is_quick() else 8
    return range(1, calls + 1, step)


def repair(root: Path, files: Filesystem) -> Outcome:
    return apply_plan(trees.whole_plan(root), trees.machine(root, files))


def undone(before: faults.Tree) -> faults.Tree:
    """A leftover in /dev is not brought back."""
    return {path: thing for path, thing in before.items() if path != "dev/kvmfr0"}


@pytest.mark.parametrize(
    "number", mostly_slow(faults.ERRORS, 4), ids=errno.errorcode.get
)
@pytest.mark.parametrize("on", [False, True], ids=["once", "from then on"])
def test_a_failing_call_leaves_all_old_or_all_new(
    folder: Path, number: int, on: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    known = faults.trial(folder, repair)
    tally = faults.Tally()
    endings = set()
    for at in each(known.calls):
        root = faults.fresh(folder, at)
        outcome = repair(root, faults.Failing(str(root), at, number, on))
        endings.add(outcome.ending)
        tally.look(root, known.before, known.after)
        check_truth(root, outcome, known, at)
        shutil.rmtree(root)
    with capsys.disabled():
        how = "from then on" if on else "once"
        print("\n" + tally.line(f"{errno.errorcode[number]} {how}"))
    assert (tally.torn, tally.unreadable) == (0, 0)
    assert endings >= {Ending.REFUSED, Ending.STUCK if on else Ending.ROLLED_BACK}


def check_truth(root: Path, outcome: Outcome, known: faults.Trial, at: int) -> None:
    """What was told must be so, and what is stuck can be taken back later."""
    now = trees.snapshot(root)
    old = known.before
    if outcome.ending in (Ending.REFUSED, Ending.NOTHING):
        assert now == old, at
        assert repair(root, Filesystem(str(root))).ending is Ending.DONE
        return
    if outcome.ending is Ending.DONE:
        waiting = [s.step for s in outcome.steps if s.state.name == "LATE"]
        parameter = trees.PARAMETER.lstrip("/")
        late = {parameter} if waiting else set()
        assert {p for p in known.after if now.get(p) != known.after[p]} <= late, at
        return
    if outcome.ending is Ending.ROLLED_BACK and faults.open_run(root) is None:
        assert {p: now[p] for p in undone(old)} == undone(old), at
        assert set(now) <= set(old), at
        return
    run = faults.open_run(root)
    assert run is not None
    assert undo_run(trees.machine(root)).ending is Ending.UNDONE
    assert undone(trees.snapshot(root)) == undone(old), at
    assert faults.open_run(root) is None


@pytest.mark.slow
@pytest.mark.parametrize("half", [False, True], ids=["before", "in or behind"])
@pytest.mark.parametrize("way", ["finish", "undo"])
def test_killed_at_any_call_the_next_start_finishes_or_undoes(
    folder: Path, half: bool, way: str, capsys: pytest.CaptureFixture[str]
) -> None:
    known = faults.trial(folder, repair)
    tally = faults.Tally()
    for at in each(known.calls):
        root = faults.fresh(folder, at)
        files = faults.Dying(str(root), at, half)
        assert faults.in_child(partial(repair, root, files)), at
        tally.look(root, known.before, known.after)
        check_recovery(root, known, way, at)
        shutil.rmtree(root)
    with capsys.disabled():
        word = "in or behind" if half else "before"
        print(f"\n{tally.line(f'SIGKILL {word}, then {way}')}")
    assert (tally.torn, tally.unreadable) == (0, 0)


def check_recovery(root: Path, known: faults.Trial, way: str, at: int) -> None:
    run = faults.open_run(root)
    if run is None:
        now = trees.snapshot(root)
        assert now in (known.before, known.after), at
        return
    # A repair does not walk over the interrupted one.
    plan_again = trees.snapshot(root)
    if plan_again == known.before:
        assert repair(root, Filesystem(str(root))).ending is Ending.REFUSED
    act = finish_run if way == "finish" else undo_run
    outcome = act(trees.machine(root), run.id)
    now = trees.snapshot(root)
    if way == "finish":
        assert outcome.ending is Ending.DONE, (at, outcome)
        assert now == known.after, at
    else:
        assert outcome.ending is Ending.UNDONE, (at, outcome)
        assert undone(now) == undone(known.before), at
    assert faults.open_run(root) is None


@pytest.mark.slow
def test_killed_while_undoing_the_next_undo_ends_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = faults.trial(folder, repair)
    counting = faults.Counting(str(folder / "tree0"))
    undo_run(trees.machine(folder / "tree0", counting))
    tally = faults.Tally()
    for at, half in itertools.product(each(counting.calls), (False, True)):
        root = faults.fresh(folder, at)
        repair(root, Filesystem(str(root)))
        dying = trees.machine(root, faults.Dying(str(root), at, half))
        assert faults.in_child(partial(undo_run, dying)), at
        tally.look(root, known.before, known.after)
        undo_run(trees.machine(root))
        assert undone(trees.snapshot(root)) == undone(known.before), at
        assert faults.open_run(root) is None
        shutil.rmtree(root)
    with capsys.disabled():
        print(f"\n{tally.line('SIGKILL while undoing')}")
    assert (tally.torn, tally.unreadable) == (0, 0)


@pytest.mark.slow
def test_killed_while_rolling_back_the_next_undo_ends_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = faults.trial(folder, repair)

    def failing(root: Path, files: Filesystem) -> Outcome:
        machine = trees.machine(root, files, {"kargs": 1})
        return apply_plan(trees.whole_plan(root), machine)

    counted = faults.trial(folder / "second", failing)
    tally = faults.Tally()
    for at in range(counted.calls // 2, counted.calls + 1):
        root = faults.fresh(folder, at)
        files = faults.Dying(str(root), at, half=False)
        assert faults.in_child(partial(failing, root, files)), at
        tally.look(root, known.before, known.after)
        if faults.open_run(root) is not None:
            undo_run(trees.machine(root))
        assert trees.snapshot(root) == known.before, at
        shutil.rmtree(root)
    with capsys.disabled():
        print(f"\n{tally.line('SIGKILL while rolling back')}")
    assert (tally.torn, tally.unreadable) == (0, 0)
