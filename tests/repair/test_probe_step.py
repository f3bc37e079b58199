"""The kernel is asked to look for a driver: made, looked at, taken back."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import engine_trees as trees
from vfio_doctor.messages import verbatim
from vfio_doctor.model import Applicability, ProbeStep
from vfio_doctor.repair.resume import undo_run
from vfio_doctor.repair.session import apply_plan
from vfio_doctor.repair.syscalls import Filesystem
from vfio_doctor.repair.target import Machine
from vfio_doctor.repair.values import Ending, Outcome, Plan, PlannedFix, PlannedStep

CARD = "0000:08:00.0"
STEP = ProbeStep(f"/sys/bus/pci/devices/{CARD}", "vfio-pci")
FIX = PlannedFix("a", verbatim("a"), Applicability.SAFE, False, (), ())
PLAN = Plan((PlannedStep(STEP, ("a",)),), (FIX,))
BUS = "sys/bus/pci"


class Kernel(Filesystem):
    """Files whose kernel gives the function to a driver, and takes it away."""

    def __init__(self, root: Path, driver: str) -> None:
        super().__init__(str(root))
        self.tree, self.driver = root, driver

    def close(self, fd: int) -> None:
        super().close(fd)
        link = self.tree / f"{BUS}/devices/{CARD}/driver"
        if self._was_told("drivers_probe") and self.driver:
            link.symlink_to(f"../../drivers/{self.driver}")
        if self._was_told("drivers/vfio-pci/unbind"):
            link.unlink()

    def _was_told(self, name: str) -> bool:
        path = self.tree / BUS / name
        said = path.read_text() == CARD
        if said:
            path.write_text("")
        return said


def machine(root: Path, driver: str = "vfio-pci") -> Machine:
    return trees.machine(root, Kernel(root, driver))


@pytest.fixture(name="root")
def asked(tmp_path: Path) -> Path:
    trees.sick_tree(tmp_path)
    (tmp_path / f"{BUS}/devices/{CARD}").mkdir(parents=True)
    for name in ("drivers_probe", "drivers/vfio-pci/unbind"):
        trees.put(tmp_path, f"/{BUS}/{name}", "")
    return tmp_path


def driver(root: Path) -> str:
    link = root / f"{BUS}/devices/{CARD}/driver"
    return link.readlink().name if link.is_symlink() else ""


def done(root: Path) -> Outcome:
    return apply_plan(PLAN, machine(root))


def test_the_driver_has_it_and_undo_takes_it_away(root: Path) -> None:
    assert done(root).ending is Ending.DONE
    assert driver(root) == "vfio-pci"
    assert undo_run(machine(root)).ending is Ending.UNDONE
    assert driver(root) == ""


@pytest.mark.parametrize("other", ["", "nouveau"])
def test_another_driver_or_none_is_a_failure(root: Path, other: str) -> None:
    outcome = apply_plan(PLAN, machine(root, other))
    assert outcome.ending is Ending.ROLLED_BACK
    assert str(outcome.why).startswith("the kernel was asked, but")
    assert driver(root) == other


def test_after_a_reboot_nothing_is_left_to_take_back(root: Path) -> None:
    done(root)
    trees.put(root, trees.BOOT_ID, "another\n")
    assert undo_run(machine(root)).ending is Ending.UNDONE
    assert driver(root) == "vfio-pci"


def test_a_vm_that_runs_keeps_it(root: Path) -> None:
    done(root)
    trees.put(root, "/proc/77/comm", "qemu-system-x86\n")
    assert undo_run(machine(root)).ending is Ending.STUCK
    assert driver(root) == "vfio-pci"
