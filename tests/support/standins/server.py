"""Run stand-ins, each call in a process of its own that needs no start of Python.

A line of JSON asks: the tool, its words and the root. A line answers: the exit
status, as subprocess has it, and what was printed.
"""

from __future__ import annotations

# What the stand-ins import, too: a fork has it for nothing.
import json
import os
import shlex  # noqa: F401
import signal  # noqa: F401
import sys
import time  # noqa: F401
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

HERE = Path(__file__).resolve().parent
CODE = {
    path.name: compile(path.read_text(encoding="utf-8"), str(path), "exec")
    for path in HERE.iterdir()
    if not path.suffix and path.is_file()
}


def become(tool: str, words: list[str], root: str, outputs: list[int]) -> NoReturn:
    """Be the tool, in the child."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, file in enumerate((nothing, *outputs)):
        os.dup2(file, number)
    os.environ["STANDIN_ROOT"] = root
    sys.argv = [str(HERE / tool), *words]
    status: int | str = 0
    try:
        exec(CODE[tool], {"__name__": "__main__", "__file__": sys.argv[0]})
    except SystemExit as left:
        status = left.code or 0
    sys.stdout.flush()
    sys.stderr.flush()
    # Taking the interpreter apart costs as much as the rest.
    os._exit(int(status))


def answer(tool: str, words: list[str], root: str) -> list[int | str]:
    """Return how the tool ended, and what it printed."""
    outputs = [os.memfd_create(name) for name in ("out", "err")]
    child = os.fork()
    if not child:
        become(tool, words, root, outputs)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return [status, *map(text, outputs)]


def text(file: int) -> str:
    """Return what was written to a file that nobody else has any longer."""
    with open(file, encoding="utf-8") as written:
        written.seek(0)
        return written.read()


for line in sys.stdin:
    print(json.dumps(answer(*json.loads(line))), flush=True)
