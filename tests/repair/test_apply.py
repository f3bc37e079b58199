from __future__ import annotations

import os
from pathlib import Path

import pytest

from support import engine_trees as trees
from vfio_doctor.host.reader import CommandResult
from vfio_doctor.model import CommandStep, FileStep
from vfio_doctor.repair.journal import locked, runs
from vfio_doctor.repair.journal_lines import RunState
from vfio_doctor.repair.resume import undo_run
from vfio_doctor.repair.session import apply_plan
from vfio_doctor.repair.syscalls import Filesystem
from vfio_doctor.repair.values import Ending, Outcome, Plan, PlannedStep, StepState


@pytest.fixture(name="root")
def sick_root(tmp_path: Path) -> Path:
    trees.sick_tree(tmp_path)
    return tmp_path


def states(outcome: Outcome) -> list[str]:
    return [step.state.name for step in outcome.steps]


def without_node(tree: dict[str, trees.Thing]) -> dict[str, trees.Thing]:
    return {path: thing for path, thing in tree.items() if path != "dev/kvmfr0"}


def test_every_kind_of_step_is_made_and_undone_to_the_byte(root: Path) -> None:
    before = trees.snapshot(root)
    outcome = apply_plan(trees.whole_plan(root), trees.machine(root))
    assert outcome.ending is Ending.DONE, outcome
    after = trees.snapshot(root)
    assert set(after) - set(before) == {
        "etc/modules-load.d/deep",
        "etc/modules-load.d/deep/kvmfr.conf",
    }
    assert set(before) - set(after) == {"etc/udev/rules.d/99-kvmfr.rules", "dev/kvmfr0"}
    old, new = before["etc/modprobe.d/kvm.conf"], after["etc/modprobe.d/kvm.conf"]
    assert new == old._replace(content=new.content)
    assert (root / trees.KARGS.lstrip("/")).read_text().split() == list(trees.AFTER)
    back = undo_run(trees.machine(root))
    assert back.ending is Ending.UNDONE
    assert trees.snapshot(root) == without_node(before)
    assert [run.state for run in runs(Filesystem(str(root)))] == [RunState.UNDONE]
    assert undo_run(trees.machine(root)).ending is Ending.NOTHING


def test_a_failed_command_takes_everything_back(root: Path) -> None:
    before = trees.snapshot(root)
    outcome = apply_plan(
        trees.whole_plan(root), trees.machine(root, answers={"kargs": 1})
    )
    assert outcome.ending is Ending.ROLLED_BACK
    assert "kargs" in str(outcome.why)
    assert "it failed" in str(outcome.why)
    assert trees.snapshot(root) == before
    assert [run.state for run in runs(Filesystem(str(root)))] == [RunState.UNDONE]


def test_what_only_brings_forward_may_fail(root: Path) -> None:
    machine = trees.machine(root, answers={"udevadm": 1})
    outcome = apply_plan(trees.whole_plan(root), machine)
    assert outcome.ending is Ending.DONE
    assert states(outcome).count("LATE") == 1
    assert outcome.steps[-2].state is StepState.LATE


def test_a_tool_that_lies_about_success_is_found_out(root: Path) -> None:
    class Liar(trees.FakeRunner):
        def _run(self, argv: tuple[str, ...]) -> CommandResult:
            return CommandResult(argv, 0, "", "")

    before = trees.snapshot(root)
    machine = trees.machine(root)
    machine = machine._replace(runner=Liar(root, machine.files))
    outcome = apply_plan(trees.whole_plan(root), machine)
    assert outcome.ending is Ending.ROLLED_BACK
    assert "says it is done" in str(outcome.why)
    assert trees.snapshot(root) == before


@pytest.mark.parametrize(
    ("path", "text"),
    [
        pytest.param(trees.OPTIONS, "edited by somebody\n", id="file"),
        pytest.param(trees.NEW, "made by somebody\n", id="new file"),
        pytest.param(trees.KARGS, "ro other", id="arguments"),
        pytest.param(trees.PARAMETER, "N\n", id="parameter"),
    ],
)
def test_a_host_that_moved_since_the_plan_is_refused(
    root: Path, path: str, text: str
) -> None:
    plan = trees.whole_plan(root)
    trees.put(root, path, text)
    before = trees.snapshot(root)
    outcome = apply_plan(plan, trees.machine(root))
    assert outcome.ending is Ending.REFUSED
    assert "changed since" in str(outcome.why)
    assert trees.snapshot(root) == before
    assert not runs(Filesystem(str(root)))


def test_a_file_edited_in_the_last_moment_takes_the_run_back(root: Path) -> None:
    plan = trees.whole_plan(root)
    before = trees.snapshot(root)

    class Meddling(Filesystem):
        def rename(self, folder: int, old: str, new: str) -> None:
            super().rename(folder, old, new)
            if new == "kvm.conf":
                trees.put(root, trees.RULE, "somebody was here\n")

    outcome = apply_plan(plan, trees.machine(root, Meddling(str(root))))
    assert outcome.ending is Ending.ROLLED_BACK
    assert trees.RULE in str(outcome.why)
    after = trees.snapshot(root)
    assert (
        after.pop("etc/udev/rules.d/99-kvmfr.rules").content == b"somebody was here\n"
    )
    before.pop("etc/udev/rules.d/99-kvmfr.rules")
    assert after == before


@pytest.mark.parametrize("what", ["link", "parent link", "folder", "fifo"])
def test_what_is_not_a_regular_file_is_refused(root: Path, what: str) -> None:
    plan = trees.whole_plan(root)
    path = root / trees.OPTIONS.lstrip("/")
    if what == "parent link":
        path.parent.rename(root / "etc/elsewhere")
        path.parent.symlink_to("elsewhere")
    else:
        path.rename(path.with_name("victim"))
        if what == "link":
            path.symlink_to("victim")
        elif what == "folder":
            path.mkdir()
        else:
            os.mkfifo(path)
    before = trees.snapshot(root)
    outcome = apply_plan(plan, trees.machine(root))
    assert outcome.ending is Ending.REFUSED
    assert trees.OPTIONS.rpartition("/")[0] in str(outcome.why)
    assert trees.snapshot(root) == before


def test_the_second_repair_at_once_waits_then_names_the_first(root: Path) -> None:
    plan = trees.whole_plan(root)
    before = trees.snapshot(root)
    with locked(Filesystem(str(root))):
        outcome = apply_plan(plan, trees.machine(root))
    assert outcome.ending is Ending.REFUSED
    assert f"process {os.getpid()}" in str(outcome.why)
    assert trees.snapshot(root) == before
    assert apply_plan(plan, trees.machine(root)).ending is Ending.DONE


def test_undo_leaves_what_somebody_changed_and_shows_both(root: Path) -> None:
    apply_plan(trees.whole_plan(root), trees.machine(root))
    trees.put(root, trees.OPTIONS, "my own\n")
    outcome = undo_run(trees.machine(root))
    assert outcome.ending is Ending.UNDONE
    kept = [step for step in outcome.steps if step.state is StepState.KEPT]
    assert [step.both[1] for step in kept] == ["my own\n"]
    assert (root / trees.OPTIONS.lstrip("/")).read_text() == "my own\n"
    assert (root / trees.RULE.lstrip("/")).exists()
    assert runs(Filesystem(str(root)))[0].state is RunState.DONE


def test_undo_leaves_arguments_that_somebody_changed(root: Path) -> None:
    apply_plan(trees.whole_plan(root), trees.machine(root))
    trees.put(root, trees.KARGS, "ro quiet nosmt")
    outcome = undo_run(trees.machine(root))
    kept = [step for step in outcome.steps if step.state is StepState.KEPT]
    assert [step.both for step in kept] == [
        ("ro quiet kvm.report_ignored_msrs=0", "ro quiet nosmt")
    ]


def test_a_parameter_is_not_written_back_after_a_reboot(root: Path) -> None:
    apply_plan(trees.whole_plan(root), trees.machine(root))
    trees.put(root, trees.BOOT_ID, "second-boot\n")
    outcome = undo_run(trees.machine(root))
    assert str(outcome.steps[-1].why) == "it ended with the reboot"
    assert (root / trees.PARAMETER.lstrip("/")).read_text() == "N\n"


def test_nothing_of_a_plan_reaches_a_shell(root: Path) -> None:
    hostile = "$(touch /tmp/pwned); `id`; \n|&"
    step = CommandStep(("kargs", "ro", hostile), ("kargs", "ro"))
    machine = trees.machine(root)
    apply_plan(Plan((PlannedStep(step, ("x",)),)), machine)
    assert isinstance(machine.runner, trees.FakeRunner)
    assert machine.runner.ran == [("kargs", "ro", hostile)]


def test_hostile_names_and_contents_survive_the_journal(root: Path) -> None:
    path = "/etc/\udcff $(id)\u202e.conf"
    step = FileStep(path, None, bytes(range(256)))
    outcome = apply_plan(Plan((PlannedStep(step, ("x",)),)), trees.machine(root))
    assert outcome.ending is Ending.DONE
    [run] = runs(Filesystem(str(root)))
    assert run.entries[0].step.step == step
    assert undo_run(trees.machine(root), run.id).ending is Ending.UNDONE
    assert not (root / path.lstrip("/")).exists()


def test_nothing_to_do_makes_no_journal(root: Path) -> None:
    assert apply_plan(Plan(()), trees.machine(root)).ending is Ending.NOTHING
    assert not (root / trees.OURS).exists()
