"""A line from the terminal, with a Ctrl-C that is heard whenever it comes.

`input` may lose one: a signal between Python's last look for signals and the call of
read() only sets a flag, and read() waits for the next key. So it is read only when a
line is there, and waited for with a file that signals write to.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from click import termui

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def heard() -> Iterator[None]:
    """Have click's prompts read their answers here."""
    before = termui.visible_prompt_func
    if before is input:
        termui.visible_prompt_func = line
    try:
        yield
    finally:
        termui.visible_prompt_func = before


def line(prompt: str = "") -> str:
    """Do as `input` does; KeyboardInterrupt is raised while it waits, too."""
    sys.stdout.flush()
    sys.stderr.write(prompt)
    sys.stderr.flush()
    with _woken() as woken:
        _wait(sys.stdin.fileno(), woken)
        return input()


def _wait(stdin: int, woken: int) -> None:
    """Wait for a line; a signal whose handler raises ends that as well."""
    while stdin not in select.select([stdin, woken], [], [])[0]:
        os.read(woken, 64)


@contextmanager
def _woken() -> Iterator[int]:
    """Give a file that can be read as soon as a signal has come."""
    ours, theirs = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    before = -1
    try:
        before = signal.set_wakeup_fd(theirs, warn_on_full_buffer=False)
        yield ours
    finally:
        signal.set_wakeup_fd(before)
        os.close(ours)
        os.close(theirs)
