"""A set-up, its tear-down and its undo, stopped at every place by every signal."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.test_teardown import ALL, SET_UP, bare
from support import effort, played_images
from support import engine_faults as faults
from support import engine_trees as trees
from support import kill_matrix as matrix
from support import played_machine as played
from support.played_place import place
from vfio_doctor.app.chosen import Chosen
from vfio_doctor.app.journal_notes import notes
from vfio_doctor.app.place import Place
from vfio_doctor.app.setup_passthrough import passthrough
from vfio_doctor.commands.teardown import tear_down
from vfio_doctor.commands.undo import take_back

pytestmark = [pytest.mark.slow, pytest.mark.runs("sh")]
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


def set_up(where: Place) -> int:
    return passthrough(SET_UP, where)


def down(where: Place) -> int:
    return tear_down(ALL, Chosen(), where)


def undo(where: Place) -> int:
    return take_back("", True, where)


@pytest.fixture(name="folder")
def memory_folder() -> Iterator[Path]:
    with faults.quick_folder() as where:
        yield where


def ready(root: Path, before: tuple[matrix.Act, ...]) -> played.PlayedHost:
    host = bare(root)
    for act in before:
        assert matrix.heard(act, host)[0] == 0
    return host


def each(places: int) -> range:
    """One place in some, and more of them in CI; all took ten minutes and held."""
    step = 7 if effort.is_all() else 37
    return range(1, places + 1, step)


@pytest.mark.parametrize("way", ["undo", "again"])
@pytest.mark.parametrize(
    ("act", "before"),
    [(set_up, ()), (down, (set_up,)), (undo, (set_up,))],
    ids=["set up", "tear down", "undo"],
)
@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_whatever_stops_it_the_next_command_brings_it_to_an_end(
    folder: Path,
    number: signal.Signals,
    act: matrix.Act,
    before: tuple[matrix.Act, ...],
    way: str,
) -> None:
    whole = ready(folder / "whole", before)
    old, stop = played_images.things(whole), matrix.Stop()
    matrix.heard(lambda _: act(matrix.stopped_place(whole, stop)), whole)
    new = played_images.things(whole)
    assert old != new
    for at in each(len(stop.names)):
        host = ready(folder / "host", before)
        ended = matrix.run(act, host, at, number, folder / "log")
        where = (at, stop.names[at - 1], ended)
        assert ended.signal == (number if number == signal.SIGKILL else 0), where
        is_open = told_as_it_is(host, old, new, where)
        begun = is_open or played_images.things(host) == new
        status, said = matrix.heard(undo if way == "undo" else act, host)
        # An undo that was stopped goes on where it was; what never began is not undone.
        goal = new if way == "again" or act is undo else old
        if way == "again" or begun or not before or act is undo:
            assert played_images.things(host) == goal, (where, said)
            assert status == 0, (where, said)
        assert faults.open_run(host.root) is None, where
        shutil.rmtree(host.root)


def told_as_it_is(
    host: played.PlayedHost,
    old: dict[str, trees.Thing],
    new: dict[str, trees.Thing],
    where: object,
) -> bool:
    """Tell whether a run is open; a plain look says so, and else all is old or new."""
    run = faults.open_run(host.root)
    told = [line.id for line in notes(place(host).machine(host, None))]
    assert ("note-interrupted" in told) == (run is not None), where
    if run is None:
        assert played_images.things(host) in (old, new), where
    return run is not None
