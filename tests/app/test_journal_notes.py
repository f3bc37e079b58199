"""What is told of a repair by somebody who looks while it is at work."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support import engine_trees as trees
from vfio_doctor.app import journal_notes, repair
from vfio_doctor.app.chosen import Chosen
from vfio_doctor.app.place import Place
from vfio_doctor.commands import history
from vfio_doctor.host.live import LiveHost
from vfio_doctor.repair.resume import undo_run
from vfio_doctor.repair.session import apply_plan


def test_a_repair_at_work_is_not_called_interrupted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trees.sick_tree(tmp_path)
    seen = trees.machine(tmp_path)
    there = Place(
        host=lambda: LiveHost(str(tmp_path)),
        machine=lambda host, _: seen,
        is_root=lambda: True,
    )
    told: list[tuple[str, str, int]] = []

    def look(_: object) -> None:
        [note] = map(str, journal_notes.notes(seen))
        status = repair.run(Chosen(fix=True, yes=True), there)
        told.append((history.history_lines(seen)[0], note, status))

    apply_plan(trees.whole_plan(tmp_path), trees.machine(tmp_path, tell=look))
    assert told
    for line, note, status in told:
        assert line.endswith("at work now")
        assert f"process {os.getpid()} repairs this host right now" in note
        assert status == repair.FAILED
    said = capsys.readouterr().err
    assert "is at work now" in said
    assert "interrupted" not in said
    assert history.history_lines(seen)[0].endswith("done")


def test_an_undo_that_the_next_boot_does_not_have_is_told(tmp_path: Path) -> None:
    trees.sick_tree(tmp_path)
    machine = trees.machine(tmp_path)
    outcome = apply_plan(trees.whole_plan(tmp_path), machine)
    undo_run(machine, outcome.run)
    trees.put(tmp_path, "/proc/cmdline", " ".join(trees.AFTER))
    # Before the reboot all is as it has to be.
    assert journal_notes.notes(machine) == []
    trees.put(tmp_path, trees.BOOT_ID, "second-boot")
    [note] = map(str, journal_notes.notes(machine))
    said = "without kvm.report_ignored_msrs=0: this boot still has it"
    assert f"The repair {outcome.run} was taken back" in note
    assert said in note
    text = "\n".join(history.history_lines(machine))
    assert "NOT in effect: without kvm.report_ignored_msrs=0" in text
    trees.put(tmp_path, "/proc/cmdline", " ".join(trees.BEFORE))
    assert journal_notes.notes(machine) == []
