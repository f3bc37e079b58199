"""What holds for every test: programs are named, wants are counted, nothing is timed.

No test starts a process by accident: each program is named on the test. A test that
wants a tool or root says so, and is counted at the end if it could not run.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support import effort, measured, tools, untested

effort.register()
# Whoever runs the tests speaks any language; the program speaks English here.
for name in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
    if os.environ.get(name, "C.UTF-8") != "C.UTF-8":
        os.environ[name] = "C.UTF-8"
# What tests make is soon gone: looking for garbage after every 700 objects, among all
# that pytest holds, costs a tenth of the run.
gc.set_threshold(50_000, 20, 20)
STARTS = {"subprocess.Popen", "os.exec", "os.posix_spawn", "os.system"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rewrite-goldens",
        action="store_true",
        help="write tests/report/goldens anew; read the diff before you commit it",
    )


def pytest_collection_finish() -> None:
    """Never look for garbage among what was collected: it stays to the end."""
    gc.freeze()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Measure a test and its fixtures, if it counts."""
    with measured.only_what_counts(item):
        yield


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose tools are not here; in a run that must have all, fail it."""
    wants = [str(w) for m in item.iter_markers("needs_tool") for w in m.args]
    lacking = tools.missing(wants)
    if os.geteuid() and item.get_closest_marker("needs_root"):
        lacking.append(untested.ROOT)
    if not lacking:
        return
    item.user_properties.append((untested.NEEDS, " ".join(lacking)))
    if os.environ.get("VFIO_DOCTOR_TOOLS") == "all":
        pytest.fail(f"not here, though VFIO_DOCTOR_TOOLS=all: {', '.join(lacking)}")
    pytest.skip(f"needs {', '.join(lacking)}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what could not be tested, or leave it for scripts/test to show last."""
    said = untested.lines(terminalreporter.stats.get("skipped", []))
    file = os.environ.get("VFIO_DOCTOR_UNTESTED")
    if file:
        Path(file).write_text("".join(f"{line}\n" for line in said), encoding="utf-8")
    elif said:
        terminalreporter.write_line("\n" + "\n".join(said))


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
