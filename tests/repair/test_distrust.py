"""The journal is a file: damaged, foreign or newer ones stop nothing and do nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support import engine_trees as trees
from support.rows import for_each
from vfio_doctor.app.journal_notes import notes
from vfio_doctor.commands.history import history_lines
from vfio_doctor.repair import trusted
from vfio_doctor.repair.journal import JOURNAL, NAME, runs, survey
from vfio_doctor.repair.journal_lines import line, split
from vfio_doctor.repair.resume import undo_run
from vfio_doctor.repair.session import apply_plan
from vfio_doctor.repair.syscalls import Filesystem, StepFailed
from vfio_doctor.repair.values import Ending, Outcome, StepState

Values = list[dict[str, Any]]


@pytest.fixture(name="root")
def repaired(tmp_path: Path) -> Path:
    trees.sick_tree(tmp_path)
    assert apply_plan(trees.whole_plan(tmp_path), trees.machine(tmp_path)).ending is (
        Ending.DONE
    )
    return tmp_path


def journal(root: Path, number: int = 0) -> Path:
    return sorted((root / JOURNAL.lstrip("/")).iterdir())[number] / NAME


def tamper(path: Path, change: Callable[[Values], object]) -> None:
    """Change a journal's values, with right digits: as somebody would who may."""
    values = list(split(path.read_bytes())[0])
    change(values)
    path.write_bytes(b"".join(line(value) for value in values))


def step(values: Values, kind: str) -> dict[str, Any]:
    found = next(s["step"] for s in values[0]["steps"] if s["step"]["kind"] == kind)
    assert isinstance(found, dict)
    return found


UNREADABLE: dict[str, Callable[[Values], object]] = {
    "newer": lambda v: v[0].update(version=2),
    "no version": lambda v: v[0].update(version="x"),
    "kind": lambda v: step(v, "file").update(kind="shell"),
    "state": lambda v: v[-1].update(state="half"),
    "line": lambda v: v.insert(1, {"is": "jump", "n": 0}),
    "number": lambda v: v.insert(1, {"is": "back", "n": 999}),
    "negative": lambda v: v.insert(1, {"is": "back", "n": None}),
    "no steps": lambda v: v[0].pop("steps"),
    "steps": lambda v: v[0].update(steps=7),
    "argv": lambda v: step(v, "command").update(argv="rm -rf /"),
    "words": lambda v: v[0].update(before="ro"),
    "base64": lambda v: step(v, "file").update(before="!!!"),
    "path": lambda v: step(v, "file").update(path=7),
    "other run": lambda v: v[0].update(run="20200101T000000000Z-1"),
    "mode": lambda v: held(v).update(mode="0644"),
    "xattrs": lambda v: held(v).update(xattrs=[["user.x"]]),
}


def held(values: Values) -> dict[str, Any]:
    found = next(v["old"] for v in values if v["is"] == "act" and v["old"])
    assert isinstance(found, dict)
    return found


def undone(root: Path, run: str = "") -> Outcome:
    return undo_run(trees.machine(root), run)


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_run_that_cannot_be_understood_is_named(root: Path, name: str) -> None:
    before = trees.snapshot(root)
    path = journal(root)
    tamper(path, UNREADABLE[name])
    [bad] = survey(Filesystem(str(root))).unreadable
    assert bad.run == path.parent.name
    assert undone(root).ending is Ending.REFUSED
    for told in (history_lines(trees.machine(root)), notes(trees.machine(root))):
        assert any(str(path.parent).removeprefix(str(root)) in str(t) for t in told)
    after = trees.snapshot(root)
    ours = str(path.relative_to(root))
    assert {k: v for k, v in after.items() if k != ours} == {
        k: v for k, v in before.items() if k != ours
    }


def test_a_bad_run_stops_no_other(root: Path) -> None:
    good = journal(root).parent.name
    bad = root / JOURNAL.lstrip("/") / "20200101T000000000Z-1"
    bad.mkdir()
    (bad / NAME).write_bytes(b"0123456789abcdef {}\n" * 2)
    assert [run.id for run in runs(Filesystem(str(root)))] == [good]
    outcome = undone(root)
    assert (outcome.run, outcome.ending) == (good, Ending.UNDONE)


def test_a_damaged_first_line_hides_no_run(root: Path) -> None:
    path = journal(root)
    data = path.read_bytes()
    path.write_bytes(b"x" + data[1:])
    [bad] = survey(Filesystem(str(root))).unreadable
    assert "first line" in str(bad.why)
    outcome = undone(root)
    assert outcome.ending is Ending.REFUSED
    assert path.parent.name in str(outcome.why)


def test_fields_of_later_are_ignored(root: Path) -> None:
    def more(values: Values) -> None:
        values[0]["more"] = step(values, "file")["colour"] = [1, {}]

    tamper(journal(root), more)
    assert survey(Filesystem(str(root))).unreadable == ()
    assert undone(root).ending is Ending.UNDONE


FOREIGN: dict[str, Callable[[Values], object]] = {
    "shell": lambda v: step(v, "command").update(inverse=["sh", "-c", "touch /x"]),
    "words": lambda v: step(v, "command").update(inverse=["udevadm", "info", "-e"]),
    "folder": lambda v: step(v, "file").update(path="/usr/bin/sudo"),
    "dots": lambda v: step(v, "file").update(path="/etc/../usr/bin/sudo"),
    "relative": lambda v: step(v, "file").update(path="etc/x"),
    "parameter": lambda v: step(v, "parameter").update(path="/proc/sysrq-trigger"),
    "owner": lambda v: held(v).update(uid=1 << 40),
    "attribute": lambda v: held(v).update(xattrs=[["evil", "eA=="]]),
    "setuid": lambda v: held(v).update(mode=0o1000000),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_nothing_foreign_is_done(root: Path, name: str) -> None:
    tamper(journal(root), FOREIGN[name])
    before = trees.snapshot(root)
    outcome = undone(root)
    assert outcome.ending is Ending.REFUSED
    assert "not believed" in str(outcome.why)
    assert trees.snapshot(root) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize("where", ["var/lib/vfio-doctor", JOURNAL[1:], "run", "file"])
@pytest.mark.parametrize("how", ["owner", "mode"])
def test_what_others_can_change_is_not_believed(
    root: Path, where: str, how: str
) -> None:
    run = journal(root).parent
    path = {"run": run, "file": run / NAME}.get(where, root / where)
    os.chown(path, 4242, 4242) if how == "owner" else path.chmod(0o722)
    before = trees.snapshot(root)
    outcome = undone(root)
    assert outcome.ending is Ending.REFUSED
    assert "others than root" in str(outcome.why)
    assert trees.snapshot(root) == before


def test_a_link_on_the_way_is_not_followed(root: Path, tmp_path: Path) -> None:
    folder = root / JOURNAL.lstrip("/")
    away = folder.rename(folder.with_name("away"))
    folder.symlink_to(away)
    with pytest.raises(StepFailed):
        survey(Filesystem(str(root)))
    assert undone(root).ending is Ending.REFUSED


def test_the_newest_run_is_that_of_the_highest_number(root: Path) -> None:
    def renamed(path: Path, name: str) -> None:
        tamper(path, lambda v: v[0].update(run=name))
        path.parent.rename(path.parent.with_name(name))

    first = journal(root).parent.name
    assert undone(root).ending is Ending.UNDONE
    # The leftover file, which is not brought back.
    trees.put(root, trees.NODE, b"\0" * 100)
    second = apply_plan(trees.whole_plan(root), trees.machine(root))
    assert second.ending is Ending.DONE
    assert second.run > first
    numbers = [run.beginning.sequence for run in runs(Filesystem(str(root)))]
    assert numbers == [1, 2]
    # The clock went back before the second run.
    renamed(root / JOURNAL.lstrip("/") / second.run / NAME, "20200101T000000000Z-1")
    assert runs(Filesystem(str(root)))[-1].id == "20200101T000000000Z-1"


@for_each(
    "argv",
    [
        ("rpm-ostree", "kargs", "--unchanged-exit-77", "--append=a", "--delete=b=c"),
        ("grubby", "--update-kernel=ALL", "--args=a b"),
        ("kernelstub", "-a", "a b"),
        ("update-grub",),
        ("grub2-mkconfig", "-o", "/boot/grub2/grub.cfg"),
        ("limine-update",),
        ("modprobe", "-r", "kvmfr"),
        ("udevadm", "settle", "--timeout=30"),
    ],
)
def test_commands_of_ours_are_known(argv: tuple[str, ...]) -> None:
    assert trusted.is_ours(argv, None)


@for_each(
    "argv",
    [
        ("rpm-ostree", "kargs"),
        ("rpm-ostree", "install", "--append=x"),
        ("rpm-ostree", "kargs", "--unchanged-exit-77", "--editor"),
        ("grub-mkconfig", "-o", "/etc/passwd"),
        ("modprobe", "-C", "/tmp/x", "kvmfr"),
        ("modprobe", "--config=/tmp/x"),
        ("kernelstub", "-k", "/tmp/x"),
        ("sh",),
    ],
)
def test_others_are_not(argv: tuple[str, ...]) -> None:
    assert not trusted.is_ours(argv, None)


def test_a_step_that_was_never_made_is_not_told_as_undone(tmp_path: Path) -> None:
    trees.sick_tree(tmp_path)
    machine = trees.machine(tmp_path, answers={"kargs": 1})
    outcome = apply_plan(trees.whole_plan(tmp_path), machine)
    assert outcome.ending is Ending.ROLLED_BACK
    states = {type(s.step).__name__: s.state for s in outcome.steps}
    assert states["FileStep"] is StepState.UNDONE
    failed = [s for s in outcome.steps if s.state is StepState.FAILED]
    assert [getattr(s.step, "argv", ())[:1] for s in failed] == [("kargs",)]
