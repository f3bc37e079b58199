"""How much others use this machine's processors while something is measured."""

from __future__ import annotations

import os
import time
from typing import NamedTuple

# From this share on others slow a measurement down, whatever it measures.
TOO_BUSY = 0.25
# sysexits.h, EX_TEMPFAIL: neither held nor broken; scripts/test reports it.
CANNOT_SAY = 75
IDLE, IOWAIT, GUEST = 3, 4, 8


class Moment(NamedTuple):
    """Seconds so far: of the clock, of all processors' work, of our own work."""

    clock: float
    all: float
    ours: float


def now() -> Moment:
    """Return this moment; time stolen from a virtual machine counts as work."""
    with open("/proc/stat", encoding="ascii") as file:
        ticks = [int(word) for word in file.readline().split()[1:]]
    work = sum(ticks[:GUEST]) - ticks[IDLE] - ticks[IOWAIT]
    own = os.times()
    ours = own.user + own.system + own.children_user + own.children_system
    return Moment(time.monotonic(), work / os.sysconf("SC_CLK_TCK"), ours)


def share_of_others(since: Moment, until: Moment, processors: int) -> float:
    """Return which part of the processors others have used, 0 to 1."""
    seconds = (until.clock - since.clock) * processors
    others = (until.all - since.all) - (until.ours - since.ours)
    return min(1.0, max(0.0, others / seconds)) if seconds > 0 else 0.0
