"""No test starts a process by accident: each program is named on the test."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any

import pytest

STARTS = {"subprocess.Popen", "os.exec", "os.posix_spawn", "os.system"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rewrite-goldens",
        action="store_true",
        help="write tests/report/goldens anew; read the diff before you commit it",
    )


class StartedProcess(BaseException):
    """A test started what it did not name; no ``except Exception`` hides it."""


class Guard:
    """What the running test may start; None between tests, when all is allowed."""

    def __init__(self) -> None:
        self.allowed: frozenset[str] | None = None
        self.process = os.getpid()

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        if event not in STARTS or self.allowed is None or os.getpid() != self.process:
            return
        name = program_of(args[0])
        if name not in self.allowed:
            raise StartedProcess(
                f"{event}: this test may not start {name!r};"
                f' mark it @pytest.mark.runs("{name}") if it has to'
            )


def program_of(executable: object) -> str:
    """Return the base name; every ``python3.x`` counts as ``python``."""
    name = os.path.basename(os.fsdecode(executable))  # type: ignore[arg-type]
    return "python" if name.startswith("python") else name


GUARD = Guard()
# An audit hook cannot be taken away again: one for the whole session.
sys.addaudithook(GUARD)


@pytest.fixture(autouse=True)
def only_named_programs(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let a test start only the programs that ``@pytest.mark.runs`` names."""
    marks = request.node.iter_markers("runs")
    GUARD.allowed = frozenset(str(name) for mark in marks for name in mark.args)
    yield
    GUARD.allowed = None
