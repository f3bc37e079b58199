"""``--fix`` from end to end, on a tree that looks like a host."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest

from support import engine_trees as trees
from support.loud_host import (
    GRUB,
    WANTED,
    Loud,
    Quieten,
    UselessFix,
    interrupted,
    place,
    sick,
)
from vfio_doctor.app import journal_notes, repair
from vfio_doctor.app.chosen import Chosen
from vfio_doctor.app.diagnosis import options_of
from vfio_doctor.app.failure import Failure
from vfio_doctor.app.repair_machine import boot_tool, root_command
from vfio_doctor.boot.by_hand import ByHand
from vfio_doctor.boot.grub import Grub
from vfio_doctor.commands import history, undo
from vfio_doctor.diagnosis.registry import Registry
from vfio_doctor.facts.base import Facts
from vfio_doctor.host.live import LiveHost
from vfio_doctor.repair import trusted
from vfio_doctor.repair.resume import undo_run
from vfio_doctor.repair.session import apply_plan


@pytest.fixture(autouse=True)
def believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Believe a journal that has the words of the trees' boot tool."""
    known = (*trusted.COMMANDS, *trees.FakeBoot.commands)
    monkeypatch.setattr(trusted, "COMMANDS", known)


@pytest.fixture(name="root")
def sick_root(tmp_path: Path) -> Path:
    return sick(tmp_path)


Output = pytest.CaptureFixture[str]
FIX = Chosen(fix=True, yes=True)


def test_everything_is_repaired_and_looked_at_again(root: Path, capsys: Output) -> None:
    assert repair.run(FIX, place(root)) == 0
    said = capsys.readouterr().out
    assert "resolved: Loud (host)" in said
    assert "resolved after reboot: Booted without (host)" in said
    assert "Reboot, then run `vfio-doctor` again." in said
    assert 'quiet quiet_kvm=1"' in (root / GRUB.lstrip("/")).read_text()
    assert (root / trees.PARAMETER.lstrip("/")).read_text() == "N\n"
    before = trees.snapshot(root)
    assert repair.run(FIX, place(root)) == 1
    assert trees.snapshot(root) == before
    # The played tool writes no menu that would tell what the next boot gets.
    said = capsys.readouterr().out
    assert "configured already" in said
    assert "Cannot be repaired here: Booted without (host)" in said
    assert "Waits for the reboot" not in said


@pytest.mark.parametrize("chosen", [FIX, Chosen(fix=True, dry_run=True)])
def test_nothing_is_repaired_from_inside_a_container(
    root: Path, capsys: Output, chosen: Chosen
) -> None:
    trees.put(root, "/run/.containerenv", "")
    before = trees.snapshot(root)
    assert repair.run(chosen, place(root)) == 2
    assert "container (podman)" in capsys.readouterr().err
    assert trees.snapshot(root) == before


def test_a_dry_run_shows_all_and_changes_nothing(root: Path, capsys: Output) -> None:
    before = trees.snapshot(root)
    chosen = Chosen(fix=True, dry_run=True)
    assert repair.run(chosen, place(root, is_root=False)) == 1
    said = capsys.readouterr().out
    for text in ("+options kvm", "before: quiet", "after:  quiet quiet_kvm=1"):
        assert text in said
    assert "Run update-grub" in said
    assert "sudo reboot" in said
    assert trees.snapshot(root) == before


def test_json_carries_the_plan_and_the_results(root: Path, capsys: Output) -> None:
    chosen = FIX._replace(format="json")
    assert repair.run(chosen._replace(yes=False, dry_run=True), place(root)) == 1
    plan = json.loads(capsys.readouterr().out)["plan"]
    assert [fix["id"] for fix in plan["fixes"]] == ["quieten", "set-argument"]
    assert plan["reboot"] is True
    assert repair.run(chosen, place(root)) == 0
    captured = capsys.readouterr()
    [result] = json.loads(captured.out)["results"]
    assert result["ending"] == "done"
    assert {f["check"]: f["effect"] for f in result["findings"]} == {
        "booted": "resolved after reboot",
        "loud": "resolved",
    }
    assert "This is what will be done" in captured.err


@pytest.mark.parametrize(
    ("where", "chosen", "status", "said"),
    [
        pytest.param(
            {"terminal": False}, FIX._replace(yes=False), 2, "no terminal", id="no tty"
        ),
        pytest.param({"is_root": False}, FIX, 2, "repairing needs root", id="no root"),
        pytest.param(
            {"terminal": True, "yes": False},
            FIX._replace(yes=False),
            1,
            "Nothing was changed.",
            id="declined",
        ),
    ],
)
def test_without_consent_or_root_nothing_is_changed(
    root: Path,
    where: dict[str, bool],
    chosen: Chosen,
    status: int,
    said: str,
    capsys: Output,
) -> None:
    before = trees.snapshot(root)
    assert repair.run(chosen, place(root, **where)) == status  # type: ignore[arg-type]
    captured = capsys.readouterr()
    assert said in captured.err
    assert "This is what will be done" in captured.out
    assert trees.snapshot(root) == before


@pytest.mark.parametrize("format_", ["text", "json"])
def test_an_outcome_that_cannot_be_kept_is_known_first(
    root: Path, tmp_path: Path, format_: str
) -> None:
    before = trees.snapshot(root)
    lost = FIX._replace(output=str(tmp_path / "none/x"), format=format_)
    with pytest.raises(Failure, match="No such file or directory"):
        repair.run(lost, place(root))
    assert trees.snapshot(root) == before


def test_the_outcome_goes_where_it_was_asked_for(root: Path, tmp_path: Path) -> None:
    kept = tmp_path.parent / f"{tmp_path.name}.json"
    assert repair.run(FIX._replace(output=str(kept), format="json"), place(root)) == 0
    assert json.loads(kept.read_text())["results"][0]["ending"] == "done"
    assert not list(tmp_path.parent.glob(".vfio-doctor-*"))


def test_a_terminal_is_asked_once(root: Path) -> None:
    chosen = FIX._replace(yes=False)
    assert repair.run(chosen, place(root, terminal=True)) == 0


def test_a_failed_step_is_status_4_and_taken_back(root: Path, capsys: Output) -> None:
    before = trees.snapshot(root)
    broken = place(root, answers={"update-grub": 1})
    assert repair.run(FIX, broken) == 4
    said = capsys.readouterr().out
    assert "A step failed: update-grub ended with 1: it failed." in said
    assert "update-grub" in said
    after = trees.snapshot(root)
    assert {p for p in before if before[p] != after.get(p)} == set()


def test_a_fix_that_does_not_help_is_status_4(root: Path, capsys: Output) -> None:
    registry = Registry((Loud,), (UselessFix,))
    assert repair.run(FIX, place(root, registry)) == 4
    assert "still failing: Loud (host)" in capsys.readouterr().out


def test_a_healthy_host_is_left_alone(root: Path, capsys: Output) -> None:
    trees.put(root, trees.PARAMETER, "N\n")
    before = trees.snapshot(root)
    registry = Registry((Loud,), (Quieten,))
    assert repair.run(FIX, place(root, registry, is_root=False)) == 0
    assert "nothing to repair" in capsys.readouterr().out
    assert trees.snapshot(root) == before
    assert not (root / trees.OURS).exists()


@pytest.mark.parametrize(
    ("chosen", "choice", "status", "parameter"),
    [
        pytest.param(FIX, "", 0, "N\n", id="--yes finishes"),
        pytest.param(FIX._replace(yes=False), "finish", 0, "N\n", id="finish"),
        pytest.param(FIX._replace(yes=False), "undo", 0, "N\n", id="undo, then repair"),
        pytest.param(FIX._replace(yes=False), "leave", 2, "Y\n", id="leave"),
    ],
)
def test_an_interrupted_repair_comes_first(
    root: Path,
    chosen: Chosen,
    choice: str,
    status: int,
    parameter: str,
    capsys: Output,
) -> None:
    interrupted(root)
    where = place(root, Registry((Loud,), (Quieten,)), terminal=True, choice=choice)
    boot = where._replace(machine=lambda host, _: trees.machine(root))
    assert repair.run(chosen, boot) == status
    assert "was interrupted" in capsys.readouterr().err
    assert (root / trees.PARAMETER.lstrip("/")).read_text() == parameter


def test_history_tells_runs_and_their_effect_since_the_reboot(root: Path) -> None:
    machine = trees.machine(root)
    assert history.history_lines(machine) == ["Nothing was repaired here yet."]
    apply_plan(trees.whole_plan(root), machine)
    assert journal_notes.notes(machine) == []
    trees.put(root, trees.BOOT_ID, "second-boot")
    trees.put(root, "/proc/cmdline", " ".join(trees.AFTER))
    [note] = journal_notes.notes(machine)
    assert str(note).startswith("All 5 changes")
    trees.put(root, "/proc/cmdline", "ro quiet")
    trees.put(root, trees.PARAMETER, "Y\n")
    trees.put(root, trees.OPTIONS, "mine\n")
    text = "\n".join(history.history_lines(machine))
    assert "NOT in effect: kvm.report_ignored_msrs=0 (this boot did not get it)" in text
    assert f"NOT in effect: {trees.PARAMETER} (it reads 'Y')" in text
    assert f"NOT in effect: {trees.OPTIONS} (it was changed since)" in text
    assert f"in effect: {trees.NEW}" in text
    assert len(journal_notes.notes(machine)) == 3


def test_history_and_notes_tell_of_an_interrupted_run(root: Path) -> None:
    interrupted(root)
    machine = trees.machine(root)
    assert "interrupted" in history.history_lines(machine)[0]
    assert "was interrupted" in str(journal_notes.notes(machine)[0])


@pytest.mark.parametrize(
    ("argv", "command"),
    [
        (
            ["/home/a b/vfio-doctor", "--fix"],
            "sudo '/home/a b/vfio-doctor' --fix",
        ),
        (
            ["/x/vfio-doctor", "--fix", "--user", "z"],
            "sudo /x/vfio-doctor --fix --user z",
        ),
    ],
)
def test_the_command_for_root_is_exact(argv: list[str], command: str) -> None:
    assert root_command(None, argv) == command


def test_the_command_for_root_keeps_the_human(tmp_path: Path) -> None:
    trees.put(tmp_path, "/etc/passwd", "alice:x:1000:1000::/home/alice:/bin/sh\n")
    trees.put(tmp_path, "/etc/group", "alice:x:1000:\n")
    facts = Facts(LiveHost(str(tmp_path)), options_of(Chosen(user="alice")))
    said = root_command(facts, ["/x/vfio-doctor", "--fix"])
    assert said == "sudo /x/vfio-doctor --user alice --fix"


def test_undo_says_by_its_status_how_it_ended(root: Path) -> None:
    machine = trees.machine(root)
    assert undo.status(undo_run(machine)) == 0
    apply_plan(trees.whole_plan(root), machine)
    assert undo.status(undo_run(machine, "no-such-run")) == 2
    trees.put(root, trees.OPTIONS, "mine\n")
    assert undo.status(undo_run(machine)) == 4


@pytest.mark.parametrize(
    ("where", "yes", "status", "said"),
    [
        ({"is_root": False}, True, 2, "needs root"),
        ({"terminal": False}, False, 2, "no terminal"),
        ({"terminal": True, "yes": False}, False, 0, "Nothing was changed."),
    ],
)
def test_undo_and_history_ask_root_first(
    root: Path,
    where: dict[str, bool],
    yes: bool,
    status: int,
    said: str,
    capsys: Output,
) -> None:
    assert repair.run(FIX, place(root)) == 0
    capsys.readouterr()
    there = place(root, **where)  # type: ignore[arg-type]
    assert undo.take_back("", yes, there) == status
    assert said in capsys.readouterr().err
    assert history.show(there) == (0 if there.is_root() else 2)


def test_undo_restores_what_fix_changed(root: Path, capsys: Output) -> None:
    before = trees.snapshot(root)
    assert repair.run(FIX, place(root)) == 0
    assert history.show(place(root)) == 0
    assert "set-argument: Set quiet_kvm" in capsys.readouterr().out
    assert undo.take_back("", True, place(root)) == 0
    assert trees.snapshot(root) == before
    said = capsys.readouterr().out
    assert f"undone: Change {GRUB}" in said
    assert "undone: Run update-grub" in said
    assert undo.take_back("", True, place(root)) == 0
    assert "there is no run to undo" in capsys.readouterr().out


def test_the_boot_tool_is_found_for_undo(root: Path, tmp_path: Path) -> None:
    assert type(boot_tool(LiveHost(str(root)))) is Grub
    (tmp_path / "x/run").mkdir(parents=True)
    # An unknown boot loader: what is to be written by hand, and nothing to run.
    assert type(boot_tool(LiveHost(f"{tmp_path}/x"))) is ByHand
    (tmp_path / "x/run/.containerenv").touch()
    assert boot_tool(LiveHost(f"{tmp_path}/x")) is None


def test_undo_shows_what_it_takes_back_before_it_asks(
    root: Path, capsys: Output
) -> None:
    assert repair.run(FIX, place(root)) == 0
    capsys.readouterr()
    after = trees.snapshot(root)
    asked: list[str] = []

    def ask(question: str) -> bool:
        asked.append(capsys.readouterr().out)
        return False

    there = place(root, terminal=True)._replace(ask=ask)
    assert undo.take_back("", False, there) == 0
    [shown] = asked
    assert "  - Set quiet_kvm" in shown
    assert f"Change {GRUB} back\n" in shown
    assert '-GRUB_CMDLINE_LINUX_DEFAULT="quiet quiet_kvm=1"' in shown
    assert f"Change {WANTED} back" in shown
    assert f"Set {trees.PARAMETER} from N to Y, now" in shown
    assert trees.snapshot(root) == after


def test_undo_without_a_terminal_asks_for_yes_only_if_there_is_something(
    root: Path, capsys: Output
) -> None:
    assert undo.take_back("", False, place(root)) == 0
    said = capsys.readouterr()
    assert "nothing was repaired here yet" in said.out
    assert "--yes" not in said.err
    assert repair.run(FIX, place(root)) == 0
    after = trees.snapshot(root)
    assert undo.take_back("", False, place(root)) == 2
    assert "no terminal to ask on; add --yes" in capsys.readouterr().err
    assert trees.snapshot(root) == after


def pressed(_: str) -> bool:
    raise click.Abort


@pytest.mark.parametrize("command", ["fix", "undo", "interrupted"])
def test_ctrl_c_at_a_prompt_says_that_nothing_was_changed(
    root: Path, command: str, capsys: Output
) -> None:
    if command == "undo":
        assert repair.run(FIX, place(root)) == 0
    if command == "interrupted":
        interrupted(root)
    before = trees.snapshot(root)
    there = place(root, terminal=True)._replace(
        ask=pressed,
        choose=pressed,  # type: ignore[arg-type]
    )
    asking = FIX._replace(yes=False)
    undoing = command == "undo"
    with pytest.raises(click.exceptions.Exit) as leaving:
        undo.take_back("", False, there) if undoing else repair.run(asking, there)
    assert leaving.value.exit_code == 130
    assert "Nothing was changed." in capsys.readouterr().err
    assert trees.snapshot(root) == before


def test_a_dry_run_says_so_in_colour_or_not(root: Path, capsys: Output) -> None:
    chosen = Chosen(fix=True, dry_run=True, color="always")
    assert repair.run(chosen, place(root, is_root=False)) == 1
    said = capsys.readouterr().out
    assert "This is what would be done:" in said
    assert "\x1b[32m+options kvm" in said
    assert said.endswith("Nothing was changed: this was a dry run.\n")
    assert repair.run(chosen._replace(verbosity=-1), place(root)) == 1
    short = capsys.readouterr().out
    assert "options kvm" not in short
    assert repair.run(chosen._replace(verbosity=1), place(root)) == 1
    assert "quieten, for loud (host)" in capsys.readouterr().out
