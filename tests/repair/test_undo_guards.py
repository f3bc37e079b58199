"""A repair that is taken back hurts nobody either."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import engine_trees as trees
from vfio_doctor.messages import verbatim
from vfio_doctor.model import Applicability, RestartService
from vfio_doctor.repair.resume import undo_run
from vfio_doctor.repair.session import apply_plan
from vfio_doctor.repair.translate import translate
from vfio_doctor.repair.values import Ending, Plan, PlannedFix, PlannedStep

UNIT = "libvirtd.service"


@pytest.mark.parametrize("runs", [False, True])
def test_a_daemon_whose_vm_runs_is_not_restarted(tmp_path: Path, runs: bool) -> None:
    trees.sick_tree(tmp_path)
    machine = trees.machine(tmp_path)
    made = translate(RestartService(UNIT), machine.host)
    steps = tuple(
        PlannedStep(step, ("a",), made.guards) for step in (*made.before, *made.after)
    )
    fix = PlannedFix("a", verbatim("a"), Applicability.SAFE, False, (), ())
    assert apply_plan(Plan(steps, (fix,)), machine).ending is Ending.DONE
    if runs:
        trees.put(tmp_path, "/proc/77/comm", "qemu-system-x86\n")
    undone = undo_run(machine)
    assert undone.ending is Ending.UNDONE
    said = [step.why.id for step in undone.steps if step.why]
    assert said == (["undo-later"] if runs else [])
    assert isinstance(machine.runner, trees.FakeRunner)
    calls = machine.runner.ran.count(("systemctl", "try-restart", UNIT))
    assert calls == (1 if runs else 2)
