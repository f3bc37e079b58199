"""Interrupt a prompt often: python -m support.hurried_ctrl_c; 1 if one was lost.

Each comes some millionths of a second after the prompt was written. What still waits
then is helped by a line from the other end of the terminal, after so long a time that
a busy machine is not the cause. `input` itself loses about one in a hundred.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import NoReturn

from vfio_doctor.app.prompt import line

TRIES, STEP = 400, 1e-6
HELP = 20.0


def interrupted(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def is_lost(delay: float, terminal: int) -> bool:
    """Tell whether a prompt went on waiting."""
    helped = threading.Event()

    def help_it() -> None:
        if not helped.wait(HELP):
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
