"""What a run imports: how many modules of each room, and what they cost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEAREST = 25
# A finder in front of all others times each module without what it imports itself.
WATCHED = """
import sys
from time import process_time

class Watched:
    def __init__(self, loader):
        self.loader = loader
    def __getattr__(self, name):
        return getattr(self.loader, name)
    def exec_module(self, module):
        INSIDE.append(0.0)
        started = process_time()
        try:
            self.loader.exec_module(module)
        finally:
            whole = process_time() - started
            inside = INSIDE.pop()
            if INSIDE:
                INSIDE[-1] += whole
            ROWS.append((whole - inside, module.__name__))

class Finder:
    def find_spec(self, name, path=None, target=None):
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec(name, path, target)
            if spec is not None:
                if hasattr(spec.loader, "exec_module"):
                    spec.loader = Watched(spec.loader)
                return spec

INSIDE, ROWS = [], []
sys.meta_path.insert(0, Finder())
from vfio_doctor.cli import status
status(sys.argv[1:])
for seconds, name in ROWS:
    print(round(seconds * 1e6), name, file=sys.stderr)
"""


def imported(words: tuple[str, ...]) -> list[tuple[int, str]]:
    """Return (microseconds, module) of what a run with these words imports."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", WATCHED, *words],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )
    rows = [line.split() for line in done.stderr.splitlines()]
    return [(int(row[0]), row[1]) for row in rows if len(row) == 2 and row[0].isdigit()]


def room(module: str) -> str:
    """Return the room of a module of ours, else the package it belongs to."""
    first, *rest = module.split(".")
    if first == "vfio_doctor":
        deeper = rest[:1] in (["checks"], ["fixes"]) and len(rest) > 2
        return ".".join(rest[: 2 if deeper else 1]) or first
    return first if first in ("click", "pyudev", "tabulate") else "(Python's own)"


def table(words: tuple[str, ...]) -> str:
    """Return the rooms, dearest first, and then the dearest modules."""
    found = imported(words)
    rooms: dict[str, list[int]] = {}
    for cost, module in found:
        rooms.setdefault(room(module), []).append(cost)
    by_room = sorted(rooms.items(), key=lambda pair: -sum(pair[1]))
    lines = [f"{len(c):4} modules {sum(c) / 1e3:6.2f} ms  {n}" for n, c in by_room]
    whole = sum(cost for cost, _ in found) / 1e3
    lines.append(f"{len(found):4} modules {whole:6.2f} ms  in all")
    dearest = sorted(found, reverse=True)[:DEAREST]
    return "\n".join([*lines, "", *(f"{c / 1e3:9.2f} ms  {n}" for c, n in dearest)])
