"""Repair a tree in a process of its own: the program as it is, for real faults.

``python engine_driver.py make|apply|undo ROOT``; the last two print how it ended.
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(HERE.parent), str(HERE)]

from support import engine_trees as trees  # noqa: E402
from vfio_doctor.repair.resume import undo_run  # noqa: E402
from vfio_doctor.repair.session import apply_plan  # noqa: E402


def main() -> None:
    what, root = sys.argv[1], Path(sys.argv[2])
    if what == "make":
        trees.sick_tree(root)
        return
    machine = trees.machine(root)
    if what == "apply":
        outcome = apply_plan(trees.whole_plan(root), machine)
    else:
        outcome = undo_run(machine)
    print(outcome.ending.name, outcome.why)


if __name__ == "__main__":
    main()
