"""`undo` after a run that took itself back: nothing older goes without a word."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.test_teardown import ALL, SET_UP, bare
from support import kill_matrix as matrix
from support import played_images
from support import played_machine as played
from support.played_place import place
from vfio_doctor.app.chosen import Chosen
from vfio_doctor.app.setup_passthrough import passthrough
from vfio_doctor.commands.teardown import tear_down
from vfio_doctor.commands.undo import take_back
from vfio_doctor.repair.journal import runs
from vfio_doctor.repair.syscalls import Filesystem

pytestmark = pytest.mark.runs("sh")
Output = pytest.CaptureFixture[str]
STOPPED = "behind update-initramfs"


@pytest.fixture(name="host")
def stopped_in_a_tear_down(tmp_path: Path, capsys: Output) -> played.PlayedHost:
    """A host that is set up, and whose tear-down was stopped by Ctrl-C."""
    host = bare(tmp_path)
    assert passthrough(SET_UP, place(host)) == 0

    class Stopped(matrix.Stop):
        def reached(self, name: str) -> None:
            if name == STOPPED and not self.names:
                self.names.append(name)
                raise KeyboardInterrupt

    before = played_images.things(host)
    there = matrix.stopped_place(host, Stopped())
    assert tear_down(ALL, Chosen(), there) == 4
    host.moved()
    assert played_images.things(host) == before
    capsys.readouterr()
    return host


@pytest.mark.slow
@pytest.mark.parametrize("yes", [True, False])
def test_it_names_the_older_one_and_leaves_it(
    host: played.PlayedHost, yes: bool, capsys: Output
) -> None:
    before = played_images.things(host)
    first, last = runs(Filesystem(str(host.root)))
    assert take_back("", yes, place(host)) == 2
    assert played_images.things(host) == before
    said = capsys.readouterr()
    assert f"The last repair, {last.id}" in said.err
    assert "has taken itself back" in said.err
    assert f"`sudo vfio-doctor undo {first.id}`" in said.err
    assert "  - Bind 0000:08:00.0" in said.out
    assert take_back(first.id, True, place(host)) == 0
    assert "vfio" not in (host.root / "etc/default/grub").read_text()


def test_at_a_terminal_it_is_asked_about(
    host: played.PlayedHost, capsys: Output
) -> None:
    asked: list[str] = []

    def no(_: str) -> bool:
        asked.append(capsys.readouterr().err)
        return False

    before = played_images.things(host)
    there = place(host)._replace(is_terminal=lambda: True, ask=no)
    assert take_back("", False, there) == 0
    assert played_images.things(host) == before
    [told] = asked
    assert "has taken itself back. This is an older one:" in told


def test_what_a_person_has_undone_is_not_in_the_way(
    tmp_path: Path, capsys: Output
) -> None:
    host = bare(tmp_path)
    before = played_images.things(host)
    passthrough(SET_UP, place(host))
    tear_down(ALL, Chosen(), place(host))
    assert take_back("", True, place(host)) == 0
    assert "vfio" in (host.root / "etc/default/grub").read_text()
    assert take_back("", True, place(host)) == 0
    assert played_images.things(host) == before
    said = capsys.readouterr()
    assert "taken itself back" not in said.err
    # What is taken back is said with --yes, too.
    assert "  - Bind 0000:08:00.0" in said.out.rpartition("The repair of")[2]
