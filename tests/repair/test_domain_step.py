"""VMs are defined anew through the real library, against libvirt's own test driver."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from support import engine_trees as trees
from support.libvirt_library import connected
from support.rows import for_each
from vfio_doctor.messages import verbatim
from vfio_doctor.model import Applicability, DomainStep
from vfio_doctor.repair.domain_step import NO_LIBRARY, defined, restore
from vfio_doctor.repair.journal import runs
from vfio_doctor.repair.resume import undo_run
from vfio_doctor.repair.session import apply_plan
from vfio_doctor.repair.syscalls import StepFailed
from vfio_doctor.repair.target import Machine
from vfio_doctor.repair.trusted import why_not
from vfio_doctor.repair.values import (
    Ending,
    Outcome,
    Plan,
    PlannedFix,
    PlannedStep,
    StepState,
)
from vfio_doctor.report.plan import detail
from vfio_doctor.report.plan_document import step_document

FIX = PlannedFix("a", verbatim("a"), Applicability.RISKY, False, (), ())


host = pytest.fixture(name="host")(connected)


def step(old: str = "8388608", new: str = "4194304") -> DomainStep:
    held = defined("test")
    text = held.text.replace(old.encode(), new.encode())
    assert text != held.text
    return DomainStep("/etc/libvirt/qemu/test.xml", held.uuid, held.text, text)


def machine(root: Path) -> Machine:
    trees.sick_tree(root)
    return trees.machine(root)


def applied(one: DomainStep, root: Machine) -> Outcome:
    return apply_plan(Plan((PlannedStep(one, ("a",)),), (FIX,)), root)


def memory(host: Any) -> int:
    return int(host.lookupByName("test").maxMemory())


@pytest.mark.needs_tool("libvirt.py")
def test_made_and_taken_back(host: Any, tmp_path: Path) -> None:
    here, one = machine(tmp_path / "root"), step()
    outcome = applied(one, here)
    assert outcome.ending is Ending.DONE, outcome
    assert memory(host) == 4194304
    (entry,) = runs(here.files)[0].entries
    assert (entry.step.step, bool(entry.made)) == (one, True)
    assert undo_run(here, outcome.run).ending is Ending.UNDONE
    assert memory(host) == 8388608
    assert defined("test").text == one.before


@pytest.mark.needs_tool("libvirt.py")
def test_a_vm_that_somebody_changed_since_stays(host: Any, tmp_path: Path) -> None:
    here = machine(tmp_path / "root")
    outcome = applied(step(), here)
    host.defineXML(defined("test").text.decode().replace("4194304", "2097152"))
    back = undo_run(here, outcome.run)
    assert [one.state for one in back.steps] == [StepState.KEPT]
    assert memory(host) == 2097152


@pytest.mark.needs_tool("libvirt.py")
def test_a_vm_that_runs_is_left_alone(host: Any, tmp_path: Path) -> None:
    here, one = machine(tmp_path / "root"), step()
    outcome = applied(one, here)
    host.lookupByName("test").create()
    back = undo_run(here, outcome.run)
    assert (back.ending, memory(host)) == (Ending.STUCK, 4194304)
    host.lookupByName("test").destroy()
    assert undo_run(here, outcome.run).ending is Ending.UNDONE
    assert memory(host) == 8388608


@pytest.mark.needs_tool("libvirt.py")
@pytest.mark.parametrize("way", ["runs", "changed", "gone", "not XML"])
def test_what_is_not_made_changes_nothing(way: str, host: Any, tmp_path: Path) -> None:
    here, one = machine(tmp_path / "root"), step()
    domain = host.lookupByName("test")
    if way == "runs":
        domain.create()
    elif way == "changed":
        host.defineXML(one.before.decode().replace("8388608", "2097152"))
    elif way == "gone":
        domain.undefine()
    else:
        one = one._replace(after=b"<domain>")
    before = [each.XMLDesc() for each in host.listAllDomains()]
    outcome = applied(one, here)
    assert outcome.ending is Ending.ROLLED_BACK, outcome
    assert outcome.why is not None
    assert [each.XMLDesc() for each in host.listAllDomains()] == before
    if way == "runs":
        domain.destroy()


@pytest.mark.needs_tool("libvirt.py")
@pytest.mark.parametrize(("other", "restored"), [("", True), ("4194304", False)])
def test_a_run_that_was_cut_short(
    other: str, restored: bool, host: Any, tmp_path: Path
) -> None:
    one = step()
    text = one.after.decode()
    host.defineXML(text.replace(other, "2097152") if other else text)
    assert restore(one, "") is restored
    assert memory(host) == (8388608 if restored else 2097152)


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "libvirt", None)
    with pytest.raises(StepFailed) as failed:
        defined("test")
    assert failed.value.message == NO_LIBRARY


def test_passwords_are_not_shown() -> None:
    before = b"<domain>\n<graphics passwd='hidden'/>\n<a/>\n</domain>\n"
    one = DomainStep(
        "/etc/libvirt/qemu/a.xml", "u", before, before.replace(b"a/", b"b/")
    )
    assert "passwd='...'" in "".join(detail(one))
    assert "hidden" not in "".join(detail(one)) + str(step_document(one))


@for_each(
    ("path", "good"),
    [
        ("/etc/libvirt/qemu/my vm.xml", True),
        ("/etc/libvirt/qemu/../a.xml", False),
        ("/etc/passwd", False),
    ],
)
def test_what_a_journal_may_name(path: str, good: bool) -> None:
    assert (why_not(DomainStep(path, "u", b"", b""), None, None) is None) is good
