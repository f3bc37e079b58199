"""What Ansible is told if the program first brings an interrupted run to its end."""

from __future__ import annotations

from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from support import engine_trees as trees
from support.loud_host import Loud, Quieten, interrupted, place, sick
from vfio_doctor.app import repair
from vfio_doctor.app.chosen import Chosen
from vfio_doctor.diagnosis.registry import Registry
from vfio_doctor.repair import trusted

UTILS = Path(__file__).resolve().parents[2] / "packaging/ansible/plugins/module_utils"
doctor: Any = ModuleType("doctor")
SourceFileLoader("doctor", str(UTILS / "doctor.py")).exec_module(doctor)
AS_ANSIBLE = Chosen(fix=True, yes=True, format="json")


@pytest.fixture(name="root")
def half_repaired(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    known = (*trusted.COMMANDS, *trees.FakeBoot.commands)
    monkeypatch.setattr(trusted, "COMMANDS", known)
    root = sick(tmp_path)
    interrupted(root)
    return root


def returned(
    root: Path, capsys: pytest.CaptureFixture[str], *rules: Any
) -> dict[str, Any]:
    """Run as the module does; the second of two rules repairs the first."""
    where = place(root, Registry(rules[:1], rules[1:]))
    where = where._replace(machine=lambda host, _: trees.machine(root))
    assert repair.run(AS_ANSIBLE, where) == 0
    report = doctor.report_of(capsys.readouterr().out)
    held: dict[str, Any] = doctor.returned(report, 0)
    return held


def test_finishing_an_interrupted_run_is_a_change(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The boot tool that made the run.
    monkeypatch.setattr(repair, "boot_tool", lambda _: trees.machine(root).backend)
    first = returned(root, capsys)
    assert first["changed"]
    assert (len(first["runs"]), first["plan"]) == (1, [])
    again = returned(root, capsys)
    assert not again["changed"]
    assert again["runs"] == []


def test_the_repair_that_follows_is_told_as_well(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With another boot tool the interrupted run is rolled back first."""
    held = returned(root, capsys, Loud, Quieten)
    assert held["changed"]
    assert held["plan"]
    assert len(set(held["runs"])) == 2
    assert [effect["effect"] for effect in held["effects"]] == ["resolved"]
