"""An entry that a kernel's hook writes anew, its words in the hook's own order."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from support import engine_trees as trees
from support.rows import for_each
from vfio_doctor.boot.backend import ArgumentEdit
from vfio_doctor.boot.systemd_boot import SystemdBoot
from vfio_doctor.host.live import LiveHost
from vfio_doctor.host.reader import CommandResult, Missing
from vfio_doctor.model import CommandStep, FileStep
from vfio_doctor.repair.journal import runs
from vfio_doctor.repair.reordered import is_as
from vfio_doctor.repair.resume import finish_run, undo_run
from vfio_doctor.repair.session import apply_plan
from vfio_doctor.repair.target import Machine
from vfio_doctor.repair.values import Ending, Plan, PlannedStep, StepState
from vfio_doctor.repair.verify import after_reboot

ENTRY = "/boot/loader/entries/debian.conf"
CMDLINE = "/etc/kernel/cmdline"
ID = "systemd.machine_id=0123"
WORDS = ("root=/dev/vda2", "quiet", ID)
NEW = "intel_iommu=on"
EDIT = ArgumentEdit(WORDS, (*WORDS, NEW))


def _entry(words: str) -> str:
    return f"title Debian\nversion 6.1\nlinux /linux\noptions {words}\n"


def _tree(root: Path, options: str, line: str = "root=/dev/vda2 quiet") -> None:
    trees.put(root, "/boot/loader/loader.conf", "timeout 1\n")
    trees.put(root, ENTRY, _entry(options))
    trees.put(root, CMDLINE, f"{line}\n")
    trees.put(root, trees.BOOT_ID, "first-boot\n")


class HookRunner(trees.FakeRunner):
    """Programs that make an image run the hook, which writes the entry anew."""

    def run(self, argv: tuple[str, ...], seconds: float) -> CommandResult | Missing:
        words = (self.root / CMDLINE[1:]).read_text().strip()
        (self.root / ENTRY[1:]).write_text(_entry(f"{words} {ID}"))
        failed = argv[-1] == "fails"
        return CommandResult(argv, int(failed), "", "")


def _machine(root: Path) -> Machine:
    machine = trees.machine(root)
    runner = HookRunner(root, machine.files)
    return machine._replace(backend=SystemdBoot(), runner=runner)


MADE = ("update-initramfs", "-u", "-k", "all")
IMAGE = PlannedStep(CommandStep(MADE, MADE), ("a",))


def _plan(
    root: Path, edit: ArgumentEdit = EDIT, *behind: PlannedStep, image: bool = True
) -> Plan:
    steps = SystemdBoot().steps(LiveHost(str(root)), edit)
    arguments = tuple(PlannedStep(step, ("a",), (), True) for step in steps)
    first = (IMAGE,) if image else ()
    return Plan((*first, *arguments, *behind), arguments=edit, tool="systemd-boot")


def _words(root: Path) -> tuple[str, ...]:
    now = SystemdBoot().read(LiveHost(str(root)))
    assert not isinstance(now, Missing)
    return now


def test_the_edit_is_made_in_the_entry_as_it_is_then(tmp_path: Path) -> None:
    """The last set-up's words stand behind the machine's id, the hook's before."""
    _tree(tmp_path, f"root=/dev/vda2 quiet {ID} {NEW}", f"root=/dev/vda2 quiet {NEW}")
    edit = ArgumentEdit((*WORDS, NEW), WORDS)
    done = apply_plan(_plan(tmp_path, edit), _machine(tmp_path))
    assert done.ending is Ending.DONE
    assert (tmp_path / ENTRY[1:]).read_text() == _entry(" ".join(WORDS))
    assert (tmp_path / CMDLINE[1:]).read_text() == "root=/dev/vda2 quiet\n"


def test_what_was_planned_anew_is_taken_back(tmp_path: Path) -> None:
    _tree(tmp_path, f"{ID} root=/dev/vda2 quiet")
    machine = _machine(tmp_path)
    assert apply_plan(_plan(tmp_path), machine).ending is Ending.DONE
    assert _words(tmp_path) == (*WORDS, NEW)
    assert undo_run(machine).ending is Ending.UNDONE
    assert _words(tmp_path) == WORDS
    assert not list(tmp_path.glob("boot/loader/entries/.*"))


def test_a_failure_behind_it_takes_it_back(tmp_path: Path) -> None:
    _tree(tmp_path, f"{ID} root=/dev/vda2 quiet")
    fails = PlannedStep(CommandStep(("other", "fails"), ("other", "back")), ("a",))
    ended = apply_plan(_plan(tmp_path, EDIT, fails), _machine(tmp_path))
    assert ended.ending is Ending.ROLLED_BACK
    assert _words(tmp_path) == WORDS
    assert (tmp_path / CMDLINE[1:]).read_text() == "root=/dev/vda2 quiet\n"


def test_a_hook_behind_the_run_is_no_change(tmp_path: Path) -> None:
    """An update of the kernel's package: the words count, and undo takes them back."""
    _tree(tmp_path, " ".join(WORDS))
    machine = _machine(tmp_path)
    assert apply_plan(_plan(tmp_path, image=False), machine).ending is Ending.DONE
    machine.runner.run(MADE, 1.0)
    assert _words(tmp_path) == (*WORDS[:2], NEW, ID)
    trees.put(tmp_path, trees.BOOT_ID, "second-boot\n")
    trees.put(tmp_path, "/proc/cmdline", " ".join(_words(tmp_path)))
    told = after_reboot(LiveHost(str(tmp_path)), runs(machine.files))
    assert [one.what for one in told if not one.in_effect] == []
    assert undo_run(machine).ending is Ending.UNDONE
    assert _words(tmp_path) == WORDS


def _other_word(text: str) -> str:
    return text.replace("quiet", "quiet debug")


def _other_title(text: str) -> str:
    return text.replace("title Debian", "title Mine")


CHANGES = pytest.mark.parametrize("change", [_other_word, _other_title])


@CHANGES
def test_another_word_is_a_change(tmp_path: Path, change: Callable[[str], str]) -> None:
    _tree(tmp_path, " ".join(WORDS))
    plan = _plan(tmp_path, image=False)
    entry = tmp_path / ENTRY[1:]
    entry.write_text(change(entry.read_text()))
    held = entry.read_text()
    ended = apply_plan(plan, _machine(tmp_path))
    assert ended.ending is Ending.ROLLED_BACK
    assert str(ended.why) == f"{ENTRY} was changed by somebody else meanwhile"
    assert entry.read_text() == held


@CHANGES
def test_another_word_since_is_kept(
    tmp_path: Path, change: Callable[[str], str]
) -> None:
    _tree(tmp_path, " ".join(WORDS))
    machine = _machine(tmp_path)
    apply_plan(_plan(tmp_path, image=False), machine)
    entry = tmp_path / ENTRY[1:]
    entry.write_text(change(entry.read_text()))
    held = entry.read_text()
    undone = undo_run(machine)
    assert StepState.KEPT in [step.state for step in undone.steps]
    assert entry.read_text() == held


@pytest.mark.parametrize("more", [0, 1], ids=["planned anew", "begun"])
def test_one_cut_short_is_finished(tmp_path: Path, more: int) -> None:
    """The journal knows the new plan before anything is written."""
    _tree(tmp_path, f"{ID} root=/dev/vda2 quiet")
    machine = _machine(tmp_path)
    done = apply_plan(_plan(tmp_path), machine)
    journal = next(tmp_path.glob("var/lib/vfio-doctor/journal/*/journal.jsonl"))
    lines = journal.read_bytes().splitlines(True)
    at = next(n for n, line in enumerate(lines) if b'"is":"anew"' in line)
    journal.write_bytes(b"".join(lines[: at + 1 + more]))
    (tmp_path / CMDLINE[1:]).write_text("root=/dev/vda2 quiet\n")
    machine.runner.run(MADE, 1.0)
    assert finish_run(machine, done.run).ending is Ending.DONE
    assert _words(tmp_path) == (*WORDS, NEW)
    assert undo_run(machine).ending is Ending.UNDONE
    assert _words(tmp_path) == WORDS


def test_an_entry_made_since_that_keeps_the_words_is_told(tmp_path: Path) -> None:
    """A newer kernel's entry is the default, with the words of when it was made."""
    _tree(tmp_path, " ".join(WORDS))
    machine = _machine(tmp_path)
    apply_plan(_plan(tmp_path, image=False), machine)
    newer = _entry(" ".join((*WORDS, NEW))).replace("6.1", "6.2")
    trees.put(tmp_path, ENTRY.replace("debian", "debian2"), newer)
    undone = undo_run(machine)
    assert [step.state for step in undone.steps] == [StepState.UNDONE, StepState.KEPT]
    assert str(undone.steps[-1].why) == (
        "an entry that was made since, which systemd-boot boots, still has"
        " intel_iommu=on; take that out of it by hand"
    )
    trees.put(tmp_path, ENTRY.replace("debian", "debian2"), newer.replace(NEW, ""))
    assert undo_run(machine).ending is Ending.UNDONE


@for_each(
    ("before", "after", "data", "same"),
    [
        (b"a b", b"a b c", b"b a", True),
        (b"a b", b"a b c", b"b  a\n", True),
        (b"a b", b"a b c", b"b c a", False),
        # Their order is all that the step changes.
        (b"a b", b"b a", b"b a", False),
        (b"a b", b"b a", b"b  a", False),
        (None, b"a", b"", False),
        (b"a b", None, b"b a", True),
    ],
)
def test_what_is_the_same_file(
    before: bytes | None, after: bytes | None, data: bytes, same: bool
) -> None:
    step = FileStep(ENTRY, before, after)
    assert is_as(before, data, PlannedStep(step, (), (), True)) is same
    assert not is_as(before, data, PlannedStep(step, ()))
