"""What a stranger's archive may cost, measured in a process of its own."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from support.fixture_hosts import catalogue

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
# Every archive through the whole program; the peak so far bounds each one's.
CHILD = """
import json, os, sys, time
from vfio_doctor.cli import status
rows = {}
for name in sorted(os.listdir(sys.argv[1])):
    started = time.process_time()
    code = status(["-q", "--capture", os.path.join(sys.argv[1], name)])
    spent = time.process_time() - started
    # ru_maxrss would count the parent's memory too, which execve hands on.
    with open("/proc/self/status", encoding="ascii") as file:
        peak = next(int(l.split()[1]) for l in file if l.startswith("VmHWM")) / 1024
    rows[name] = [code, spent, peak]
sys.stdout.flush()
print("\\n" + json.dumps(rows))
"""
# What reading a capture may do: look at it, and import our own modules.
WATCHED = """
import os, sys
from vfio_doctor.cli import status
sys.path[0] = sys.argv[2]
seen = []
def hook(event, args):
    if event == "open" and isinstance(args[0], str):
        path = args[0]
        own = path.startswith((sys.argv[2], sys.prefix, sys.base_prefix, sys.argv[1]))
        if not own:
            seen.append(f"open {path}")
    elif event.startswith(("socket.", "subprocess.", "os.exec", "os.fork",
                           "os.posix_spawn", "os.system", "ctypes.")):
        seen.append(event)
    elif event in ("os.listdir", "os.scandir"):
        if not str(args[0]).startswith((sys.argv[1], sys.argv[2], sys.prefix,
                                        sys.base_prefix)):
            seen.append(f"{event} {args[0]}")
sys.addaudithook(hook)
for words in (["-v"], ["--format", "json"], ["--format", "markdown"], ["devices"],
              ["explain", "iommu-off", "--here"], ["bug-report", "--print"]):
    status(["--capture", sys.argv[1], *words])
status(["triage", "--jobs", "1", sys.argv[1]])
status(["diff", sys.argv[1], sys.argv[1]])
sys.stderr.write("SEEN " + "; ".join(sorted(set(seen))) + "\\n")
"""


def run(code: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=600,
        check=True,
    )


# That each is refused, and within which memory, test_hostile_captures.py tells first.
@pytest.mark.slow
@pytest.mark.runs("python")
def test_no_hostile_archive_costs_much(tmp_path: Path) -> None:
    held = {
        f"{module}-{name}": data
        for module in ("test_hostile_captures.py", "test_host_file.py")
        for name, data in runpy.run_path(str(HERE / module))["HOSTILE"].items()
    }
    assert len(held) >= 90
    for name, data in held.items():
        (tmp_path / name).write_bytes(data)
    done = run(CHILD, str(tmp_path))
    rows = json.loads(done.stdout.splitlines()[-1])
    assert set(rows) == set(held)
    for name, (code, spent, peak) in rows.items():
        assert (name, code) == (name, 2)
        assert spent < 5, name
        assert peak < 200, name
    assert "\x1b" not in done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.runs("python")
def test_opening_one_reads_nothing_of_this_machine() -> None:
    host = catalogue.path("bluefin-dx-2121")
    done = run(WATCHED, str(host), str(ROOT))
    assert done.stderr.splitlines()[-1] == "SEEN "
