"""A terminal of 80 columns with a program at its other end."""

from __future__ import annotations

import fcntl
import os
import select
import struct
import subprocess
import sys
import termios
from codecs import getincrementaldecoder
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
COLUMNS, ROWS = 80, 24
SEEN = {"TERM": "xterm", "LANG": "C.UTF-8", "NO_COLOR": "1"}
CTRL_C, ENTER = b"\x03", b"\n"
# Seconds: a hundred times what the slowest machine was seen to take.
SILENT = 300


class Terminal:
    """What was shown so far, and the keyboard."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        # A sign of several bytes may come in two readings.
        self._text = getincrementaldecoder("utf-8")("replace")
        self._read_to = 0
        self.shown = ""

    def until(self, text: str) -> None:
        """Read until a text is shown that was not there before."""
        while text not in self.shown[self._read_to :]:
            assert self._more(), f"{text!r} never came: {self.shown[-2000:]}"
        self._read_to = self.shown.index(text, self._read_to) + len(text)

    def type(self, keys: bytes) -> None:
        os.write(self._fd, keys)

    def rest(self) -> None:
        """Read to the end."""
        while self._more():
            pass

    def _more(self) -> bool:
        # Another prompt than the one that was waited for would wait for ever.
        ready, _, _ = select.select([self._fd], [], [], SILENT)
        assert ready, f"nothing was shown for {SILENT} s after: {self.shown[-2000:]}"
        try:
            data = os.read(self._fd, 1 << 16)
        except OSError:
            # Linux answers so when the last program has left.
            return False
        self.shown += self._text.decode(data).replace("\r\n", "\n")
        return bool(data)

    @property
    def wide(self) -> list[str]:
        """Lines of prose that do not fit; commands and contents stay whole."""
        whole = ("  before:", "  after:", "   -", "   +", "   @@", "    ")
        return [
            line
            for line in self.shown.splitlines()
            if len(line) > COLUMNS
            and not line.startswith(whole)
            and ". Run " not in line
            and "`" not in line
        ]


@contextmanager
def started(*words: str) -> Iterator[tuple[Terminal, subprocess.Popen[bytes]]]:
    """Start ``python -m`` these words at a new terminal."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    program = subprocess.Popen(
        [sys.executable, "-m", *words],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=TESTS,
        env={**os.environ, **SEEN, "PYTHONPATH": str(TESTS.parent)},
    )
    os.close(theirs)
    try:
        yield Terminal(ours), program
    finally:
        os.close(ours)
        program.wait()
