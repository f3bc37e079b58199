"""A set-up as it is seen at a terminal, for docs/setup.md; what a step changes is cut.

python -m support.session      print it
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator

from support.at_terminal import SETUP, WHICH
from support.terminal import started

PROMPT = "$ sudo vfio-doctor setup passthrough"
# To the last blank: what is typed before it is shown would be shown before it.
ANSWERS = (
    (WHICH, b"2\n"),
    ("Is that so? [y/N]: ", b"y\n"),
    ("Do this? [y/N]: ", b"y\n"),
)
RUN = re.compile(r"\d{8}T\d{9}Z-\d+")
A_RUN = "20261126T093000000Z-4711"


def session() -> str:
    """Return the command and all that was shown."""
    with (
        tempfile.TemporaryDirectory() as folder,
        started("support.at_terminal", SETUP, folder) as (terminal, program),
    ):
        for prompt, keys in ANSWERS:
            terminal.until(prompt)
            terminal.type(keys)
        terminal.rest()
        assert program.wait() == 0, terminal.shown
    shown = RUN.sub(A_RUN, terminal.shown)
    return "\n".join([PROMPT, *_without_details(shown.splitlines())]) + "\n"


def _without_details(lines: list[str]) -> Iterator[str]:
    """Leave out what stands below a step, and the lines that tell of progress."""
    in_steps = False
    for line in lines:
        if line.startswith("Step by step"):
            in_steps = True
        elif line.startswith("Kernel arguments of"):
            in_steps = False
            yield ""
        if in_steps and (not line or line.startswith("   ")):
            continue
        if line.endswith(" ...") or RUN.fullmatch(line):
            continue
        yield line.rstrip()


if __name__ == "__main__":
    print(session(), end="")
