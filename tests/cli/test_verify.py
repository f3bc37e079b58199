"""``verify``: the exit status says whether what was repaired is still so."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from support import engine_trees as trees
from support.findings import finding
from support.loud_host import BOTH, Booted, Loud, Quieten, SetArgument, place, sick
from vfio_doctor.api import Check
from vfio_doctor.app import repair
from vfio_doctor.app.chosen import Chosen
from vfio_doctor.app.repair_machine import boot_tool
from vfio_doctor.commands.verify import look
from vfio_doctor.diagnosis.registry import Registry
from vfio_doctor.facts.base import Facts, NotApplicable
from vfio_doctor.facts.kernel import KernelCmdline
from vfio_doctor.messages import verbatim
from vfio_doctor.model import Finding, Severity
from vfio_doctor.repair import trusted
from vfio_doctor.repair.resume import undo_run

Output = pytest.CaptureFixture[str]
FIX = Chosen(fix=True, yes=True)


@pytest.fixture(name="root")
def repaired(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output) -> Path:
    known = (*trusted.COMMANDS, *trees.FakeBoot.commands)
    monkeypatch.setattr(trusted, "COMMANDS", known)
    root = sick(tmp_path)
    repair.run(FIX, place(root))
    capsys.readouterr()
    return root


def rebooted(root: Path, words: str = "quiet quiet_kvm=1") -> None:
    trees.put(root, trees.BOOT_ID, "second-boot")
    trees.put(root, "/proc/cmdline", words + "\n")


def test_before_the_reboot_it_only_waits(root: Path, capsys: Output) -> None:
    assert look(place(root), quiet=False) == 0
    assert "A reboot is needed: booted." in capsys.readouterr().out


def test_all_is_so(root: Path, capsys: Output) -> None:
    rebooted(root)
    assert look(place(root), quiet=False) == 0
    said = capsys.readouterr()
    assert said.out == "Everything that was repaired here is still so.\n"
    assert said.err == ""


def test_an_argument_is_gone_after_an_update(root: Path, capsys: Output) -> None:
    rebooted(root, "quiet")
    assert look(place(root), quiet=False) == 1
    assert "is back: booted (host)" in capsys.readouterr().err


def test_quiet_is_the_status_alone(root: Path, capsys: Output) -> None:
    rebooted(root)
    trees.put(root, trees.PARAMETER, "Y\n")
    assert look(place(root), quiet=True) == 1
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "")


class Gone(Check):
    id = "gone"
    severity = Severity.ERROR
    title = "What Loud stands on is gone"

    def judge(self, facts: Facts) -> list[Finding]:
        return [finding("host", "gone")]


class LoudIfThere(Loud):
    requires = ("gone",)


def test_what_the_repair_stands_on_is_gone(root: Path, capsys: Output) -> None:
    rebooted(root)
    rules = Registry((Booted, Gone, LoudIfThere), (Quieten, SetArgument))
    assert look(place(root, rules), quiet=False) == 1
    assert "is back: loud (host)" in capsys.readouterr().err


def test_a_rule_that_is_no_more_is_not_known(root: Path, capsys: Output) -> None:
    rebooted(root)
    assert look(place(root, Registry((Booted,), ())), quiet=False) == 3
    assert "could not be told: loud" in capsys.readouterr().err


def test_what_was_undone_is_not_verified(root: Path, capsys: Output) -> None:
    where = place(root)
    tool = boot_tool(where.host())
    undo_run(where.machine(where.host(), tool))
    assert look(where, quiet=False) == 0
    assert "nothing to verify" in capsys.readouterr().out


def test_only_root_may_ask(root: Path, capsys: Output) -> None:
    assert look(place(root, BOTH, is_root=False), quiet=False) == 2
    assert "sudo" in capsys.readouterr().err


class Wanted(Check):
    id = "wanted"
    severity = Severity.ERROR
    title = "What is asked for is not there"

    def judge(self, facts: Facts) -> list[Finding]:
        if "quiet_kvm" not in facts[KernelCmdline].line.words[-1]:
            raise NotApplicable(verbatim("nobody asks for it"))
        return []


def test_a_repair_that_nothing_asks_for_any_more_is_gone(
    root: Path, capsys: Output
) -> None:
    """As a card whose ids a new boot entry does not have: no rule applies to it."""

    class Once(Wanted):
        def judge(self, facts: Facts) -> list[Finding]:
            return [finding("host", "asked for")]

    class Ask(Quieten):
        id = "ask"
        solves = ("wanted",)

    trees.put(root, trees.PARAMETER, "Y\n")
    repair.run(FIX, place(root, Registry((Once,), (Ask,))))
    rebooted(root, "quiet")
    capsys.readouterr()
    rules = Registry((Booted, Loud, Wanted), (Quieten, SetArgument))
    assert look(place(root, rules), quiet=False) == 1
    assert "is back: wanted (host)" in capsys.readouterr().err


@pytest.mark.runs("python")
def test_nothing_that_acts_is_imported() -> None:
    """A run from a checkout, as root, may have to compile each module."""
    parts = ("commands.verify", "app.place", "repair.journal", "repair.verify")
    seen = ("app.diagnosis", "boot.backend", "repair.plan", "repair.session")
    program = (
        "import sys\n"
        f"for part in {parts}: __import__(f'vfio_doctor.{{part}}')\n"
        f"sys.exit(any(f'vfio_doctor.{{part}}' in sys.modules for part in {seen}))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], check=False)
    assert done.returncode == 0
