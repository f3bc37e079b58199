"""Every command that changes a host, stopped at every place by every signal.

A set-up of passthrough (Debian with GRUB, and rpm-ostree), one of Looking Glass, a
repair, their tear-down and their undo.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from cli.test_teardown import ALL, SET_UP, bare
from repair.test_own_initramfs import host_in
from support import effort, played_images
from support import engine_faults as faults
from support import engine_trees as trees
from support import kill_matrix as matrix
from support import played_machine as played
from support.fixture_hosts import catalogue
from support.played_place import place
from vfio_doctor.app.chosen import Chosen
from vfio_doctor.app.journal_notes import notes
from vfio_doctor.app.place import Place
from vfio_doctor.app.repair import run
from vfio_doctor.app.setup_passthrough import passthrough
from vfio_doctor.commands.setup import looking_glass
from vfio_doctor.commands.teardown import Wanted, tear_down
from vfio_doctor.commands.undo import take_back
from vfio_doctor.repair.journal import runs
from vfio_doctor.repair.journal_lines import RunState
from vfio_doctor.repair.syscalls import Filesystem

pytestmark = [pytest.mark.slow, pytest.mark.runs("sh", "python", "python3")]
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
GLASS = Chosen(fix=True, yes=True, areas=("kvmfr",))


def set_up(where: Place) -> int:
    return passthrough(SET_UP, where)


def down(where: Place) -> int:
    return tear_down(ALL, Chosen(), where)


def glass(where: Place) -> int:
    return looking_glass(GLASS, (), False, where)


def glass_down(where: Place) -> int:
    return tear_down(Wanted(passthrough=False, yes=True), Chosen(), where)


def mend(where: Place) -> int:
    return run(Chosen(fix=True, yes=True), where)


def undo(where: Place) -> int:
    return take_back("", True, where)


def bluefin(root: Path) -> played.PlayedHost:
    return played.PlayedHost(root, catalogue.capture("bluefin-dx-2121"))


class Case(NamedTuple):
    """A command that is stopped, on which host, and what was run before it."""

    id: str
    act: matrix.Act
    host: Callable[[Path], played.PlayedHost]
    before: tuple[matrix.Act, ...] = ()


CASES = (
    Case("set up", set_up, bare),
    Case("tear down", down, bare, (set_up,)),
    Case("undo", undo, bare, (set_up,)),
    Case("set up on ostree", set_up, host_in),
    Case("tear down on ostree", down, host_in, (set_up,)),
    Case("undo on ostree", undo, host_in, (set_up,)),
    Case("looking glass", glass, bluefin),
    Case("looking glass down", glass_down, bluefin, (glass,)),
    Case("fix", mend, bluefin),
    Case("undo of fix", undo, bluefin, (mend,)),
)


@pytest.fixture(name="folder")
def memory_folder() -> Iterator[Path]:
    with faults.quick_folder() as where:
        yield where


def ready(root: Path, case: Case) -> played.PlayedHost:
    host = case.host(root)
    for act in case.before:
        assert matrix.heard(act, host)[0] in (0, 1)
    return host


def step() -> int:
    """One place in some, and more of them in CI; ``KILL_STEP=1``: all, for an hour."""
    some = 13 if effort.is_all() else 127
    return int(os.environ.get("KILL_STEP", some))


def each(places: int) -> range:
    return range(1, places + 1, step())


@pytest.mark.parametrize("way", ["undo", "again"])
@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_whatever_stops_it_the_next_command_brings_it_to_an_end(
    folder: Path, number: signal.Signals, case: Case, way: str
) -> None:
    act = case.act
    whole = ready(folder / "whole", case)
    old, stop = state(whole), matrix.Stop()
    matrix.heard(lambda _: act(matrix.stopped_place(whole, stop)), whole)
    new = state(whole)
    assert old != new
    # 1: what waits for the reboot is found again.
    ended_well = (0, 1) if way == "again" and act in (glass, mend) else (0,)
    for at in each(len(stop.names)):
        host = ready(folder / "host", case)
        ended = matrix.run(act, host, at, number, folder / "log")
        where = (at, stop.names[at - 1], ended)
        assert ended.signal == (number if number == signal.SIGKILL else 0), where
        is_open = told_as_it_is(host, old, new, where)
        begun = is_open or state(host) == new
        status, said = matrix.heard(undo if way == "undo" else act, host)
        # An undo that was stopped goes on where it was; what never began is not undone.
        goal = new if way == "again" or act is undo else old
        if way == "again" or begun or not case.before or act is undo:
            assert state(host) == goal, (where, said)
            assert status in ended_well, (where, said)
        elif took_itself_back(host):
            assert (state(host), status) == (old, 2), (where, said)
        assert faults.open_run(host.root) is None, where
        shutil.rmtree(host.root)


def took_itself_back(host: played.PlayedHost) -> bool:
    last = runs(Filesystem(str(host.root)))[-1]
    return last.state is RunState.UNDONE and not last.asked


class State(NamedTuple):
    """All of a host that has to be old or new: files, and what rpm-ostree has next."""

    things: dict[str, trees.Thing]
    words: tuple[str, ...] = ()
    initramfs: str = ""


def state(host: played.PlayedHost) -> State:
    things = played_images.things(host)
    if not (host.root / "run/ostree-booted").exists():
        return State(things)
    kept = {path: one for path, one in things.items() if not path.startswith("run/")}
    words = played.standin(host.root, ("rpm-ostree", "kargs")).stdout.split()
    made = played.standin(host.root, ("rpm-ostree", "status", "--json")).stdout
    first = json.loads(made)["deployments"][0]
    initramfs = [first["regenerate-initramfs"], first["initramfs-args"]]
    return State(kept, tuple(sorted(words)), json.dumps(initramfs))


def told_as_it_is(
    host: played.PlayedHost, old: State, new: State, where: object
) -> bool:
    """Tell whether a run is open; a plain look says so, and else all is old or new."""
    run = faults.open_run(host.root)
    told = [line.id for line in notes(place(host).machine(host, None))]
    assert ("note-interrupted" in told) == (run is not None), where
    if run is None:
        assert state(host) in (old, new), where
    return run is not None
