"""Signals that stop a repair: each is heard once, then nothing disturbs the way back.

A closed terminal (SIGHUP) and a shutdown (SIGTERM) end a program at once, in the
middle of a step. Here they do what Ctrl-C does: the run is taken back.
"""

from __future__ import annotations

import signal
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from vfio_doctor.boot.backend import BOOT_TOOL
from vfio_doctor.messages import say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from vfio_doctor.model import Message

    Tell = Callable[[str | Message], None]

HELD = say(
    "run-not-stopped-now",
    "this is not stopped now, so that nothing is left half done: please wait; a tool "
    "that hangs is ended after {minutes} minutes",
).filled(minutes=int(BOOT_TOOL) // 60)
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stops:
    """Whether a repair may be stopped right now; see `stoppable`."""

    def __init__(self) -> None:
        """Begin with a repair that may be stopped."""
        self.held = False
        self.tell: Tell | None = None

    def hear(self, number: int, frame: FrameType | None) -> None:
        """Stop the repair, unless it is on its way back already."""
        if not self.held:
            self.held = True
            raise KeyboardInterrupt
        if self.tell is not None:
            # Once is enough; the signal may have come while something was written.
            tell, self.tell = self.tell, None
            with suppress(RuntimeError, OSError):
                tell(HELD)


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
def undisturbed(tell: Tell | None = None) -> Iterator[None]:
    """Let no signal stop what goes on inside; programs started there hear them.

    ``tell`` gets why, once, if somebody tries.
    """
    before = STATE.held, STATE.tell
    STATE.held, STATE.tell = True, tell
    try:
        yield
    finally:
        STATE.held, STATE.tell = before
