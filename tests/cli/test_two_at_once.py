"""Two commands at once: the second leaves with a word, wherever the first one is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli.test_kill_matrix import bluefin, down, mend, set_up, state, undo
from cli.test_teardown import ALL, SET_UP, bare
from support import engine_faults as faults
from support import kill_matrix as matrix
from support import played_machine as played
from vfio_doctor.app.chosen import Chosen
from vfio_doctor.app.place import Place
from vfio_doctor.app.setup_passthrough import passthrough
from vfio_doctor.commands.teardown import tear_down
from vfio_doctor.commands.verify import look as verified

pytestmark = [pytest.mark.slow, pytest.mark.runs("sh", "python", "python3")]
AT_WORK = "repairs this host right now"
Make = Callable[[Path], played.PlayedHost]


def look(where: Place) -> int:
    return passthrough(SET_UP._replace(dry_run=True), where)


def look_down(where: Place) -> int:
    return tear_down(ALL._replace(dry_run=True), Chosen(), where)


def verify(where: Place) -> int:
    return verified(where, quiet=False)


@pytest.fixture(name="folder")
def memory_folder() -> Iterator[Path]:
    with faults.quick_folder() as where:
        yield where


class Between(matrix.Stop):
    """Has another command run to its end at each tenth place of the first one."""

    def __init__(self, other: matrix.Act, host: played.PlayedHost) -> None:
        super().__init__()
        self.other, self.host = other, host
        self.told: list[tuple[str, int, str]] = []

    def reached(self, name: str) -> None:
        super().reached(name)
        if faults.open_run(self.host.root) and len(self.names) % 10 == 1:
            self.told.append((name, *matrix.heard(self.other, self.host)))


@pytest.mark.parametrize(
    ("first", "other", "make", "before"),
    [
        (set_up, set_up, bare, ()),
        (set_up, down, bare, ()),
        (down, set_up, bare, (set_up,)),
        (down, undo, bare, (set_up,)),
        (mend, undo, bluefin, ()),
        (mend, mend, bluefin, ()),
        (undo, mend, bluefin, (mend,)),
        (undo, undo, bluefin, (mend,)),
        (set_up, look, bare, ()),
        (set_up, look_down, bare, ()),
        (set_up, verify, bare, ()),
    ],
)
def test_the_second_leaves_with_a_word(
    folder: Path,
    first: matrix.Act,
    other: matrix.Act,
    make: Make,
    before: tuple[matrix.Act, ...],
) -> None:
    alone, host = make(folder / "alone"), make(folder / "host")
    for act in before:
        matrix.heard(act, alone)
        matrix.heard(act, host)
    goal = matrix.heard(first, alone)[0], state(alone)
    between = Between(other, host)
    status, said = matrix.heard(
        lambda _: first(matrix.stopped_place(host, between)), host
    )
    assert (status, state(host)) == goal, said
    assert len(between.told) > 2
    for name, ended, heard in between.told:
        assert AT_WORK in " ".join(heard.split()), (name, heard)
        if other is verify:
            assert ended == 3, (name, heard)
        elif other not in (look, look_down):
            assert ended == 4, (name, heard)
