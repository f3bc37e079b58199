"""A repair that is stopped or fails is taken back, and what outlives its client."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support import engine_trees as trees
from support import hosts
from support import played_machine as played
from vfio_doctor.boot.backend import ArgumentEdit, MenuMaker
from vfio_doctor.boot.rpm_ostree import RpmOstree
from vfio_doctor.host.reader import CommandResult, Missing, Reader, Why
from vfio_doctor.messages import verbatim
from vfio_doctor.model import CommandStep, Message
from vfio_doctor.repair.journal import runs
from vfio_doctor.repair.journal_lines import RunState
from vfio_doctor.repair.plan import words_digest
from vfio_doctor.repair.resume import undo_run
from vfio_doctor.repair.session import apply_plan
from vfio_doctor.repair.syscalls import Filesystem
from vfio_doctor.repair.target import Machine
from vfio_doctor.repair.values import Basis, Ending, Plan, PlannedStep, StepState

WORD = "new=1"
HERE = Path(__file__).resolve().parents[1]
# Beside the host: where its service is told to end, and says that it has.
GATE = "service"


class Signalled(trees.FakeRunner):
    """Sends this process a signal in the middle of the boot tool, and once more."""

    number = signal.SIGTERM

    def run(self, argv: tuple[str, ...], seconds: float) -> CommandResult | Missing:
        if argv == ("kargs", *trees.AFTER) or len(self.ran) > 2:
            os.kill(os.getpid(), self.number)
        return super().run(argv, seconds)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_each_signal_takes_the_run_back(tmp_path: Path, number: signal.Signals) -> None:
    trees.sick_tree(tmp_path)
    before = trees.snapshot(tmp_path)
    runner = Signalled(tmp_path, Filesystem(str(tmp_path)))
    runner.number = number
    told: list[str] = []

    def tell(text: str | Message) -> None:
        told.append(text.id if isinstance(text, Message) else text)
        # Who is told that all is taken back may press Ctrl-C again, and again.
        for _ in range(2 * told[-1:].count("run-taking-back")):
            os.kill(os.getpid(), number)

    machine = trees.machine(tmp_path)._replace(runner=runner, tell=tell)
    # Under nohup, or in the background of a shell, the tests have these ignored.
    found = signal.signal(number, signal.default_int_handler)
    handlers = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
    try:
        outcome = apply_plan(trees.whole_plan(tmp_path), machine)
        left = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
    finally:
        signal.signal(number, found)
    assert outcome.ending is Ending.ROLLED_BACK
    assert str(outcome.why) == "interrupted"
    assert trees.snapshot(tmp_path) == before
    assert runs(Filesystem(str(tmp_path)))[-1].state is RunState.UNDONE
    assert left == handlers
    assert told.count("run-not-stopped-now") == 1
    assert told.index("run-taking-back") < told.index("run-not-stopped-now")


def test_nohup_is_respected(tmp_path: Path) -> None:
    trees.sick_tree(tmp_path)
    runner = Signalled(tmp_path, Filesystem(str(tmp_path)))
    runner.number = signal.SIGHUP
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        machine = trees.machine(tmp_path)._replace(runner=runner)
        outcome = apply_plan(trees.whole_plan(tmp_path), machine)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert outcome.ending is Ending.DONE


@pytest.mark.parametrize("at", range(1, 9))
def test_any_exception_takes_the_run_back(tmp_path: Path, at: int) -> None:
    trees.sick_tree(tmp_path)
    before = trees.snapshot(tmp_path)
    told: list[object] = []

    def tell(line: object) -> None:
        told.append(line)
        if len(told) == at:
            raise AttributeError("'NoneType' object has no attribute 'write'")

    machine = trees.machine(tmp_path, tell=tell)
    outcome = apply_plan(trees.whole_plan(tmp_path), machine)
    if len(told) >= at:
        assert outcome.ending is Ending.ROLLED_BACK
        assert "AttributeError" in str(outcome.why)
        # A leftover file is not brought back.
        before.pop(trees.NODE.lstrip("/"))
        after = trees.snapshot(tmp_path)
        after.pop(trees.NODE.lstrip("/"), None)
        assert after == before
    assert all(r.state is not RunState.OPEN for r in runs(Filesystem(str(tmp_path))))


class MenuLost(trees.FakeBoot, MenuMaker):
    """A boot tool whose menu cannot be read once it was made."""

    def __init__(self, tree: Path, lasting: bool) -> None:
        self.tree, self.lasting, self.lost = tree, lasting, False

    def menu(self, host: Reader) -> tuple[str, ...] | Missing:
        words = (self.tree / trees.KARGS.lstrip("/")).read_text().split()
        if WORD_OF_AFTER in words or (self.lost and self.lasting):
            self.lost = True
            return Missing("/boot/grub/grub.cfg", Why.FAILED, verbatim("garbage"))
        return tuple(words)


WORD_OF_AFTER = trees.AFTER[-1]


@pytest.mark.parametrize("lasting", [False, True])
def test_a_menu_that_is_gone_is_no_success(tmp_path: Path, lasting: bool) -> None:
    trees.sick_tree(tmp_path)
    tool = MenuLost(tmp_path, lasting)
    machine = trees.machine(tmp_path)._replace(backend=tool)
    plan = trees.whole_plan(tmp_path)
    back = PlannedStep(CommandStep((), ("kargs", *trees.BEFORE)), ("a",), (), True)
    at = next(n for n, s in enumerate(plan.steps) if s.arguments)
    plan = plan._replace(steps=(*plan.steps[:at], back, *plan.steps[at:]))
    outcome = apply_plan(plan, machine)
    assert outcome.why is not None
    assert outcome.why.id == "menu-gone"
    assert outcome.ending is (Ending.STUCK if lasting else Ending.ROLLED_BACK)
    state = runs(Filesystem(str(tmp_path)))[-1].state
    assert state is (RunState.OPEN if lasting else RunState.UNDONE)
    tool.lasting = False
    if lasting:
        assert undo_run(machine).ending is Ending.UNDONE


class Killed(BaseException):
    """Our own process dies: nothing of it runs any more."""


class ClientDies(played.PlayedRunner):
    """Kills the client in the middle of the first transaction."""

    how: BaseException | None = None

    def _run(self, argv: tuple[str, ...]) -> CommandResult | Missing:
        if len(argv) == 2 or argv[1] != "kargs" or f"--append={WORD}" not in argv:
            return super()._run(argv)
        client = subprocess.Popen(
            [sys.executable, str(played.STANDINS / argv[0]), *argv[1:]],
            env={"STANDIN_ROOT": str(self.host.root), "PATH": "/nonexistent"},
            stdout=subprocess.DEVNULL,
        )
        while not (self.host.root / "run/standin/transaction").exists():
            time.sleep(0.01)
        client.kill()
        client.wait()
        # What is asked of the service from now on takes no time.
        (self.host.root / "run/standin/rpm-ostree.fault").unlink()
        if self.how is not None:
            raise self.how
        return Missing(" ".join(argv), Why.TIMED_OUT, verbatim("no answer in 1800 s"))


@pytest.fixture
def host(tmp_path: Path) -> played.PlayedHost:
    text = "title t\nversion 1\noptions ro quiet\nlinux /vmlinuz\n"
    made = hosts.build(
        {
            "/boot/loader/entries/ostree-1.conf": text,
            "/proc/cmdline": "ro quiet\n",
            "/proc/sys/kernel/random/boot_id": "first\n",
            "/run/standin/rpm-ostree.fault": f"outlives {tmp_path / GATE}",
        }
    )
    os.mkfifo(tmp_path / GATE)
    return played.PlayedHost(tmp_path / "host", made.capture)


def patient(host: played.PlayedHost, runner: played.PlayedRunner) -> Machine:
    """The machine, on which the service comes to its end as soon as we wait for it."""

    slept: list[float] = []

    def sleep(seconds: float) -> None:
        # The first is for a service that has not begun; from then on it is waited for.
        slept.append(seconds)
        busy = (host.root / "run/standin/transaction").exists()
        if busy and len(slept) > 1:
            gate = host.root.with_name(GATE)
            gate.write_text("end")
            assert gate.read_text() == "done"

    return played.machine(host, RpmOstree())._replace(runner=runner, sleep=sleep)


def plan_for(tool: RpmOstree, host: Reader) -> Plan:
    edit = ArgumentEdit(("ro", "quiet"), ("ro", "quiet", WORD))
    return Plan(
        tuple(PlannedStep(s, ("f",), (), True) for s in tool.steps(host, edit)),
        arguments=edit,
        tool=tool.name,
        basis=(Basis("arguments", tool.name, words_digest(edit.before)),),
    )


@pytest.mark.slow
@pytest.mark.runs("python", "python3")
@pytest.mark.parametrize("how", [None, KeyboardInterrupt(), RuntimeError("x")])
def test_a_transaction_that_outlives_its_client_is_taken_back(
    host: played.PlayedHost, how: BaseException | None
) -> None:
    tool = RpmOstree()
    runner = ClientDies(host)
    runner.how = how
    machine = patient(host, runner)
    outcome = apply_plan(plan_for(tool, host), machine)
    assert outcome.ending is Ending.ROLLED_BACK
    assert outcome.steps[0].state is StepState.UNDONE
    assert any(f"--delete={WORD}" in argv for argv in runner.ran)
    host.moved()
    assert tool.read(host) == ("ro", "quiet")
    assert not (host.root / "run/standin/transaction").exists()


@pytest.mark.runs("python", "python3")
def test_undo_knows_a_run_whose_process_died(host: played.PlayedHost) -> None:
    tool = RpmOstree()
    runner = ClientDies(host)
    runner.how = Killed()
    machine = patient(host, runner)
    with pytest.raises(Killed):
        apply_plan(plan_for(tool, host), machine)
    [run] = runs(machine.files)
    assert run.state is RunState.OPEN
    runner.how = None
    outcome = undo_run(machine)
    assert outcome.ending is Ending.UNDONE
    assert outcome.steps[0].state is StepState.UNDONE
    host.moved()
    assert tool.read(host) == ("ro", "quiet")
