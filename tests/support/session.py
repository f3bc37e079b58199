"""Sessions at a terminal for docs/: a set-up, in both languages, and a repair.

python -m support.session [repair|setup [LANGUAGE]]      print one
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator

from support.at_terminal import REPAIR, SETUP
from support.terminal import started
from vfio_doctor.language import CHINESE, ENGLISH

PROMPTS = {
    REPAIR: "$ sudo vfio-doctor --fix",
    SETUP: "$ sudo vfio-doctor setup passthrough",
}
# To the last blank: what is typed before it is shown would be shown before it.
YES = ("[y/N]: ", b"y\n")
ANSWERS = {
    (REPAIR, ENGLISH): (YES,),
    (REPAIR, CHINESE): (YES,),
    (SETUP, ENGLISH): (("nothing is changed yet): ", b"2\n"), YES, YES),
    (SETUP, CHINESE): (("\u505a\u4efb\u4f55\u66f4\u6539\uff09: ", b"2\n"), YES, YES),
}
# Between these two headings stands what each step changes.
STEPS = {
    ENGLISH: ("Step by step", "Kernel arguments of"),
    CHINESE: (
        "\u5177\u4f53\u6b65\u9aa4",
        "\u4e0b\u6b21\u542f\u52a8\u7684\u5185\u6838\u53c2\u6570",
    ),
}
RUN = re.compile(r"\d{8}T\d{9}Z-\d+")
A_RUN = "20261126T093000000Z-4711"


def session(what: str = SETUP, language: str = ENGLISH) -> str:
    """Return the command and all that was shown; of a set-up's steps only the names."""
    with (
        tempfile.TemporaryDirectory() as folder,
        started("support.at_terminal", what, folder, language) as (terminal, program),
    ):
        for prompt, keys in ANSWERS[what, language]:
            terminal.until(prompt)
            terminal.type(keys)
        terminal.rest()
        assert program.wait() == 0, terminal.shown
    lines = RUN.sub(A_RUN, terminal.shown).splitlines()
    if what == SETUP:
        lines = [*_without_details(lines, *STEPS[language])]
    return "\n".join([PROMPTS[what], *without_progress(lines)]) + "\n"


def without_progress(lines: list[str]) -> Iterator[str]:
    """Leave out the lines that tell of progress."""
    for line in lines:
        if not line.endswith(" ...") and not RUN.fullmatch(line):
            yield line.rstrip()


def _without_details(lines: list[str], first: str, last: str) -> Iterator[str]:
    """Leave out what stands below a step."""
    in_steps = False
    for line in lines:
        if line.startswith(first):
            in_steps = True
        elif line.startswith(last):
            in_steps = False
            yield ""
        if not (in_steps and (not line or line.startswith("   "))):
            yield line


if __name__ == "__main__":
    print(session(*sys.argv[1:]), end="")
