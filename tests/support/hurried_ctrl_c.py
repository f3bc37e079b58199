"""Interrupt a prompt often: python -m support.hurried_ctrl_c; 1 if one was lost.

Each comes some millionths of a second after the prompt was written. What then sleeps
at every look is helped by a line from the other end of the terminal; on a busy machine
it would be waiting for the processor. `input` itself loses about one in a hundred.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import NoReturn

from vfio_doctor.app.prompt import line

TRIES, STEP = 400, 1e-6
LOOKS, BETWEEN = 100, 0.02


def interrupted(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def sleeps() -> bool:
    """Tell whether the main thread waits for something else than the processor."""
    state = Path(f"/proc/self/task/{os.getpid()}/stat").read_text(encoding="utf-8")
    return state.rpartition(")")[2].split()[0] == "S"


def is_lost(delay: float, terminal: int) -> bool:
    """Tell whether a prompt went on waiting."""
    helped = threading.Event()

    def help_it() -> None:
        slept = 0
        while slept < LOOKS:
            if helped.wait(BETWEEN):
                return
            slept = slept + 1 if sleeps() else 0
        helped.set()
        os.write(terminal, b"\n")

    helper = threading.Thread(target=help_it)
    helper.start()
    try:
        signal.setitimer(signal.ITIMER_REAL, delay)
        line()
    except KeyboardInterrupt:
        pass
    lost = helped.is_set()
    helped.set()
    helper.join()
    return lost


def main() -> int:
    ours, theirs = os.openpty()
    os.dup2(theirs, 0)
    os.dup2(theirs, 1)
    signal.signal(signal.SIGALRM, interrupted)
    return int(any(is_lost(STEP + n * STEP, ours) for n in range(TRIES)))


if __name__ == "__main__":
    sys.exit(main())
