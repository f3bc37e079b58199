"""Signals that stop a repair: each is heard once, then nothing disturbs the way back.

A closed terminal (SIGHUP) and a shutdown (SIGTERM) end a program at once, in the
middle of a step. Here they do what Ctrl-C does: the run is taken back.
"""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stops:
    """Whether a repair may be stopped right now; see `stoppable`."""

    def __init__(self) -> None:
        """Begin with a repair that may be stopped."""
        self.held = False

    def hear(self, number: int, frame: FrameType | None) -> None:
        """Stop the repair, unless it is on its way back already."""
        if not self.held:
            self.held = True
            raise KeyboardInterrupt


STATE = Stops()


@contextmanager
def stoppable() -> Iterator[None]:
    """Have each of `STOPS` raise KeyboardInterrupt, once.

    What was ignored stays so: ``nohup`` means that a closed terminal is no reason.
    Outside the main thread nobody can listen, and nothing is changed.
    """
    before: dict[signal.Signals, object] = {}
    STATE.held = False
    try:
        for number in STOPS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, STATE.hear)
    except ValueError:
        pass
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]


@contextmanager
def undisturbed() -> Iterator[None]:
    """Let no signal stop what goes on inside; programs started there hear them."""
    held, STATE.held = STATE.held, True
    try:
        yield
    finally:
        STATE.held = held
