"""The limits of docs/design.md, section 7, on this machine.

The fastest of several rounds counts, and what is too slow gets more rounds: other
work on the machine can only make a run slower. Measured from a process of its own,
since a child starts with the memory of whoever starts it.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.speed, pytest.mark.runs("python")]


def test_limits_hold() -> None:
    said = ""
    for rounds in ("10", "20", "40"):
        done = subprocess.run(
            [sys.executable, "scripts/bench", "--rounds", rounds],
            cwd=ROOT,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )
        said += f"{rounds} rounds:\n{done.stdout}{done.stderr}"
        if done.returncode == 0:
            return
    raise AssertionError(said)
