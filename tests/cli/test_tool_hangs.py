"""An image tool that hangs: what is told meanwhile, Ctrl-C, and what comes after."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support import played_images
from support import played_machine as played
from support.kill_matrix import heard
from support.played_place import place
from support.unbound_card import CARD, unbound
from vfio_doctor.app.chosen import Chosen
from vfio_doctor.app.place import Place
from vfio_doctor.app.setup_passthrough import passthrough
from vfio_doctor.commands.undo import take_back
from vfio_doctor.facts.pci.binding import BINDING_FILE
from vfio_doctor.host import running
from vfio_doctor.host.reader import CommandResult, Missing
from vfio_doctor.model import Message
from vfio_doctor.repair.journal import runs
from vfio_doctor.repair.journal_lines import RunState
from vfio_doctor.repair.syscalls import Filesystem

pytestmark = pytest.mark.runs("sh", "sleep")
ASKED = Chosen(fix=True, yes=True, devices=(CARD,))
HANGS = "exec sleep 600"
# As a person's Ctrl-C does, but always while the tool is waited for.
STOPPED = f"kill -INT $PPID; {HANGS}"


class Hanging(played_images.ImageRunner):
    """Really starts a program that hangs in place of update-initramfs."""

    def __init__(self, host: played.PlayedHost, script: str, written: bool) -> None:
        super().__init__(host)
        self.script, self.written, self.seconds = script, written, 0.05

    def _run(self, argv: tuple[str, ...]) -> CommandResult | Missing:
        if argv[0] != "update-initramfs":
            return super()._run(argv)
        if self.written:
            # It died in the middle of an image, which nothing has made since.
            self._make(played_images.SECOND)
            self.written = False
        # Where it is to be stopped, the time limit is what it never gets to.
        seconds = 60.0 if self.script == STOPPED else self.seconds
        script, self.script = self.script, HANGS
        return running.run("/bin/sh", ("sh", "-c", script), seconds)


@pytest.fixture(name="host")
def plain(tmp_path: Path) -> Iterator[played.PlayedHost]:
    # In the background of a shell the tests have it ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield played_images.host_in(tmp_path, unbound(ids=""))
    signal.signal(signal.SIGINT, before)


def hung(
    host: played.PlayedHost, script: str, written: bool
) -> tuple[int, str, list[str]]:
    """Return how a set-up ends, what it says, and what was told meanwhile."""
    sound, told = place(host), list[str]()
    runner = Hanging(host, script, written)

    def tell(text: str | Message) -> None:
        told.append(text.id if isinstance(text, Message) else text)

    where = sound._replace(
        machine=lambda seen, tool: sound.machine(seen, tool)._replace(
            runner=runner, tell=tell
        )
    )
    status, said = heard(lambda _: passthrough(ASKED, where), host)
    return status, " ".join(said.split()), told


@pytest.mark.parametrize(
    ("script", "why"), [(HANGS, "timed out (no answer in"), (STOPPED, "interrupted")]
)
def test_what_was_done_is_taken_back(
    host: played.PlayedHost, script: str, why: str
) -> None:
    old = played_images.things(host)
    status, said, told = hung(host, script, written=False)
    assert status == 4
    assert why in said
    assert "What was done was taken back." in said
    assert played_images.things(host) == old
    assert runs(Filesystem(str(host.root)))[-1].state is RunState.UNDONE
    assert told.index("run-may-take-minutes") < told.index("run-taking-back")


@pytest.mark.parametrize("script", [HANGS, STOPPED])
@pytest.mark.parametrize("then", ["set-up", "undo"])
def test_what_could_not_be_taken_back_is_brought_to_an_end(
    host: played.PlayedHost, script: str, then: str
) -> None:
    status, said, told = hung(host, script, written=True)
    assert status == 4
    assert "Not all could be taken back." in said
    assert f"{played_images.SECOND} was made from the new ones" in said
    assert "Run `sudo vfio-doctor undo` when the cause is gone." in said
    # Once on the way there, once on the way back.
    assert told.count("run-may-take-minutes") == 2
    assert not (host.root / BINDING_FILE.lstrip("/")).exists()
    acts: dict[str, Callable[[Place], int]] = {
        "set-up": lambda where: passthrough(ASKED, where),
        "undo": lambda where: take_back("", True, where),
    }
    status, said = heard(acts[then], host)
    assert status == 0, said
    state = runs(Filesystem(str(host.root)))
    assert {run.state for run in state} <= {RunState.DONE, RunState.UNDONE}
    assert state[0].state is RunState.UNDONE
    image = (host.root / played_images.SECOND.lstrip("/")).read_text()
    assert ("vfio-doctor" in image) is (then == "set-up")
