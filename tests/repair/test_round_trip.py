"""Any plan applied and undone leaves every byte, mode, owner and attribute."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from support import engine_faults as faults
from support import engine_trees as trees
from support.effort import examples
from support.findings import finding
from vfio_doctor.api import Fix
from vfio_doctor.diagnosis.offer import offer
from vfio_doctor.diagnosis.registry import Registry
from vfio_doctor.facts.base import Facts
from vfio_doctor.host.live import LiveHost
from vfio_doctor.messages import verbatim
from vfio_doctor.model import (
    Change,
    CheckResult,
    CommandStep,
    DeleteFile,
    Diagnosis,
    EditLine,
    FileStep,
    Finding,
    KernelArguments,
    LoadModule,
    Message,
    NodeStep,
    ParameterStep,
    RuntimeParameter,
    Severity,
    Status,
    UdevTrigger,
    WriteFile,
)
from vfio_doctor.places import (
    ArgumentPlace,
    FilePlace,
    GroupPlace,
    HostPlace,
    NodePlace,
    VmPlace,
)
from vfio_doctor.repair.guards import NoVm, Unheld, Unused
from vfio_doctor.repair.journal import runs
from vfio_doctor.repair.journal_lines import (
    Beginning,
    Run,
    RunFix,
    RunState,
    begin_value,
    line,
    pack_held,
    read,
    split,
    story,
)
from vfio_doctor.repair.plan import make_plan
from vfio_doctor.repair.resume import undo_run
from vfio_doctor.repair.session import apply_plan
from vfio_doctor.repair.syscalls import Filesystem, Held
from vfio_doctor.repair.values import Ending, Plan, PlannedStep, Served, StepState

NAMES = st.sampled_from(("/etc/a", "/etc/b.d/b", "/var/c/d/e", "/boot/f", "/etc/a b"))
LINES = st.sampled_from(("one", "two", "# three", "four=4", "\u202e", "é"))
TEXTS = st.lists(LINES, max_size=4).map("\n".join)
ENDED = st.tuples(TEXTS, st.sampled_from(("", "\n"))).map("".join)
WORDS = st.sampled_from(("a=1", "a=2", "b", "c.d=e", "quiet"))
CHANGES = st.one_of(
    st.builds(WriteFile, NAMES, ENDED, st.sampled_from((0o600, 0o644))),
    st.builds(EditLine, NAMES, LINES | st.just(""), LINES | st.none()),
    st.builds(DeleteFile, NAMES, st.just(verbatim("why"))),
    st.builds(KernelArguments, st.tuples(WORDS), st.tuples(WORDS)),
    st.builds(RuntimeParameter, st.just(trees.PARAMETER), st.sampled_from("YN")),
    st.just(UdevTrigger("kvmfr")),
    st.just(LoadModule("kvmfr")),
)
MODES = st.sampled_from((0o600, 0o640, 0o644, 0o755))
FILES = st.dictionaries(NAMES, st.tuples(st.binary(max_size=40) | ENDED, MODES))


def planned(root: Path, wishes: list[list[Change]]) -> Plan:
    fixes: list[type[Fix]] = []
    for number, wanted in enumerate(wishes):

        class One(Fix):
            id = f"fix-{number}"
            solves = (f"check-{number}",)
            summary = "do"
            changes = tuple(wanted)

            def propose(self, finding: Finding, facts: Facts) -> Iterator[Change]:
                yield from self.changes

        fixes.append(One)
    host = LiveHost(str(root))
    facts = Facts(host)
    registry = Registry((), tuple(fixes))
    results = []
    for f in fixes:
        bad = finding("host")
        found = Diagnosis(bad, Severity.ERROR, offer(f.solves[0], bad, facts, registry))
        named = f.solves[0], "", Severity.ERROR, Status.FAIL
        results.append(CheckResult(*named, diagnoses=(found,)))
    return make_plan(host, facts, tuple(results), trees.FakeBoot())


def a_tree(root: Path, files: dict[str, tuple[str | bytes, int]]) -> None:
    trees.put(root, trees.PARAMETER, "Y\n")
    trees.put(root, trees.KARGS, "quiet a=1 -- init")
    trees.put(root, trees.BOOT_ID, "first")
    for at, (path, (text, mode)) in enumerate(files.items()):
        where = trees.put(root, path, text, mode)
        os.setxattr(where, "user.note", bytes([at]))
        if os.geteuid() == 0:
            os.chown(where, 1000 + at, 2000)


@examples(60)
@given(FILES, st.lists(st.lists(CHANGES, min_size=1, max_size=4), max_size=3))
def test_applied_then_undone_is_as_before(
    files: dict[str, tuple[str | bytes, int]], wishes: list[list[Change]]
) -> None:
    folder = Path(tempfile.mkdtemp(dir=faults.quick_place()))
    try:
        a_tree(folder, files)
        before = trees.snapshot(folder)
        plan = planned(folder, wishes)
        outcome = apply_plan(plan, trees.machine(folder))
        if not plan.steps:
            assert outcome.ending is Ending.NOTHING
            assert trees.snapshot(folder) == before
            return
        assert outcome.ending is Ending.DONE, outcome
        for planned_step in plan.steps:
            step = planned_step.step
            if isinstance(step, FileStep):
                where = folder / step.path.lstrip("/")
                held = where.read_bytes() if where.exists() else None
                assert held == step.after
        assert undo_run(trees.machine(folder)).ending is Ending.UNDONE
        assert trees.snapshot(folder) == before
        assert runs(Filesystem(str(folder)))[0].state is RunState.UNDONE
    finally:
        shutil.rmtree(folder)


ANY_TEXT = st.text(max_size=8) | st.just("\udcff")
PLAIN = st.builds(
    Message,
    st.just("an-id"),
    ANY_TEXT,
    st.lists(st.tuples(ANY_TEXT, ANY_TEXT | st.integers()), max_size=2).map(tuple),
)
MESSAGES = st.builds(
    Message,
    st.just("another-id"),
    ANY_TEXT,
    st.lists(
        st.tuples(ANY_TEXT, PLAIN | st.lists(PLAIN | ANY_TEXT, max_size=2).map(tuple)),
        max_size=2,
    ).map(tuple),
)
GUARDS = st.lists(
    st.just(NoVm()) | st.builds(Unused, ANY_TEXT) | st.builds(Unheld, ANY_TEXT),
    max_size=2,
).map(tuple)
PLACES = st.one_of(
    st.just(HostPlace()),
    st.builds(FilePlace, ANY_TEXT, st.integers(0)),
    st.builds(NodePlace, ANY_TEXT),
    st.builds(ArgumentPlace, ANY_TEXT, ANY_TEXT),
    st.builds(GroupPlace, st.integers(0)),
    st.builds(VmPlace, ANY_TEXT, ANY_TEXT, st.integers(0), st.integers(0)),
)
FIXES = st.lists(
    st.builds(
        RunFix,
        ANY_TEXT,
        MESSAGES,
        st.booleans(),
        st.lists(st.builds(Served, ANY_TEXT, PLACES), max_size=2).map(tuple),
    ),
    max_size=2,
).map(tuple)
STEPS = st.one_of(
    st.builds(FileStep, ANY_TEXT, st.none() | st.binary(), st.none() | st.binary()),
    st.builds(NodeStep, ANY_TEXT, st.integers(0)),
    st.builds(
        CommandStep,
        st.lists(ANY_TEXT).map(tuple),
        st.lists(ANY_TEXT).map(tuple),
        st.just((0, 77)),
        ANY_TEXT,
        st.booleans(),
        st.none() | MESSAGES,
    ),
    st.builds(ParameterStep, ANY_TEXT, ANY_TEXT, ANY_TEXT),
)
HELD = st.builds(
    Held,
    st.binary(),
    st.integers(0, 0o7777),
    st.just(0),
    st.just(5),
    st.lists(st.tuples(ANY_TEXT, st.binary())).map(tuple),
)


@examples(60)
@given(
    st.lists(st.builds(PlannedStep, STEPS, st.just(("f",)), GUARDS), min_size=1),
    FIXES,
    HELD | st.none(),
    st.data(),
)
def test_a_journal_cut_anywhere_tells_its_sound_part(
    steps: list[PlannedStep],
    fixes: tuple[RunFix, ...],
    old: Held | None,
    data: st.DataObject,
) -> None:
    beginning = Beginning("run", "2026", "boot", tuple(steps), fixes)
    act = {"is": "act", "n": 0, "old": pack_held(old), "folders": ["/etc/x"]}
    values = [begin_value(beginning), act, {"is": "done", "n": 0, "why": ""}]
    lines = [line(value) for value in values]
    whole = b"".join(lines)
    cut = data.draw(st.integers(0, len(whole)))
    told = story(whole[:cut])
    ends = [sum(map(len, lines[: n + 1])) for n in range(len(lines))]
    kept = sum(end <= cut for end in ends)
    assert (told is not None) == (kept > 0)
    assert split(whole[:cut])[1:] == (0, ends[kept - 1] if kept else 0)
    if told is not None:
        assert told.beginning == beginning
        assert told.damaged == 0
        assert told.entries[0].begun is (kept == 2)
        assert (told.entries[0].state is StepState.DONE) is (kept == 3)
        assert kept == 1 or told.entries[0].old == old


@given(st.binary())
def test_no_bytes_break_the_reader_of_journals(data: bytes) -> None:
    assert not isinstance(read("it", data), Run)
    good = line({"is": "end", "state": "done"})
    assert split(good + data + b"\n" + good)[0] == ({"is": "end", "state": "done"},) * 2
