"""`setup looking-glass --vm NAME`, its tear-down and its undo, stopped by signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from cli.test_kill_matrix import SIGNALS, step
from cli.test_setup_vm import ALONE, DEVICE, DRIVER
from support.libvirt_library import alone

pytestmark = [
    pytest.mark.slow,
    pytest.mark.runs("unshare"),
    pytest.mark.needs_root,
    pytest.mark.needs_tool("libvirt_driver_qemu.so", "qemu-system-x86_64"),
]
KILLED = DRIVER.with_name("vm_kill_driver.py")
# Each case starts libvirt four times: what takes a run back is tried without it.
KILLS = SIGNALS if "KILL_STEP" in os.environ else SIGNALS[:1]


def cases(tmp_path: Path, act: str, way: str, number: int) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="lv-", dir="/dev/shm") as below:
        python = (sys.executable, str(KILLED), str(alone(tmp_path)), below)
        words = (*python, act, way, str(number), str(step()))
        done = subprocess.run(
            ("unshare", "--mount", "sh", "-c", ALONE, "sh", *words),
            capture_output=True,
            text=True,
            check=True,
        )
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("way", ["undo", "again"])
@pytest.mark.parametrize("act", ["set up", "tear down", "undo"])
@pytest.mark.parametrize("number", KILLS, ids=lambda number: number.name)
def test_the_vm_is_as_it_was_or_set_up(
    tmp_path: Path, number: signal.Signals, act: str, way: str
) -> None:
    whole, *rest = cases(tmp_path, act, way, number)
    old, new = whole["old"], whole["new"]
    assert (DEVICE in old) != (DEVICE in new)
    assert len(rest) == len(range(1, whole["places"] + 1, step()))
    for case in rest:
        assert case["now"] in (old, new), case
        assert not case["left"], case
        status, said = case["ended"]
        if way == "again" or act == "undo":
            assert (status, case["then"]) == (0, new), case
        elif act == "set up" or case["open"] or case["now"] == new:
            assert (status, case["then"]) == (0, old), case
        elif "taken itself back" in said:
            assert (status, case["then"]) == (2, old), case
        else:
            # It never began: the set-up before it is the last repair.
            assert (status, case["then"]) == (0, new), case
