"""Journals of before messages, places and guards were typed are still read.

They were written by the program as it was on 25 November 2026 (0bed594 and later).
"""

from __future__ import annotations

import shutil
from pathlib import Path

from support import engine_trees as trees
from support.rows import for_each
from vfio_doctor.commands.history import history_lines
from vfio_doctor.places import FilePlace, HostPlace, NodePlace
from vfio_doctor.repair.guards import NoVm, Unheld, Unused
from vfio_doctor.repair.journal import JOURNAL, NAME, runs
from vfio_doctor.repair.journal_lines import Run, begin_value, line, story
from vfio_doctor.repair.resume import undo_run
from vfio_doctor.repair.syscalls import Filesystem
from vfio_doctor.repair.values import Ending, StepState

HERE = Path(__file__).parent / "journals"
RULE = "/etc/udev/rules.d/99-kvmfr.rules"


def old_run(name: str) -> Run:
    run = story((HERE / f"{name}.jsonl").read_bytes())
    assert run is not None
    assert run.damaged == 0
    return run


def test_reasons_summaries_and_guards_are_read() -> None:
    run = old_run("undone-but-for-one")
    assert [str(fix.summary) for fix in run.beginning.fixes] == [
        "Write the udev rule"
    ] * 2
    why = {str(entry.why) for entry in run.entries if entry.why is not None}
    assert "/etc/modprobe.d/kvm.conf was changed since" in why
    assert "a leftover file is not brought back" in why
    assert None in {entry.why for entry in run.entries}
    guards = [guard for step in run.beginning.steps for guard in step.guards]
    assert guards == [Unheld("/dev/kvmfr0"), NoVm(), Unused("kvmfr")]
    assert [entry.state for entry in run.entries].count(StepState.KEPT) == 1


@for_each(
    ("place", "found"),
    [
        (FilePlace(RULE, 1), True),
        (FilePlace(RULE, 2), False),
        (HostPlace(), False),
    ],
)
def test_a_finding_is_known_by_the_text_that_the_journal_has(
    place: FilePlace, found: bool
) -> None:
    first, second = old_run("done").beginning.fixes
    assert first.findings[0].is_at(place) is found
    assert second.findings[0].is_at(HostPlace())
    assert second.findings[1].is_at(NodePlace("/dev/kvmfr0"))


def test_it_is_written_again_without_a_loss() -> None:
    for name in ("done", "undone-but-for-one"):
        run = old_run(name)
        again = story(line(begin_value(run.beginning)))
        assert again is not None
        assert again.beginning == run.beginning


def test_an_old_run_is_listed_and_undone(tmp_path: Path) -> None:
    run = old_run("done")
    trees.sick_tree(tmp_path)
    before = trees.snapshot(tmp_path)
    trees.put(tmp_path, trees.NEW, "kvmfr\n")
    trees.put(tmp_path, trees.KARGS, " ".join(trees.AFTER))
    where = tmp_path / JOURNAL.lstrip("/") / run.id
    where.mkdir(parents=True)
    shutil.copy(HERE / "done.jsonl", where / NAME)
    lines = history_lines(trees.machine(tmp_path))
    assert lines[0] == f"{run.id}  2026-11-25T17:20:15Z  done"
    assert "  a: Write the udev rule" in lines
    outcome = undo_run(trees.machine(tmp_path))
    assert outcome.ending is Ending.UNDONE
    assert trees.snapshot(tmp_path) == before
    [again] = runs(Filesystem(str(tmp_path)))
    why = [entry.why for entry in again.entries if entry.why is not None]
    assert [message.id for message in why] == ["undo-leftover"]
