"""Standard streams that are closed from the beginning."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.fixture_hosts import catalogue

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.runs("python")


def run(closed: int, *words: str) -> tuple[int, str, str]:
    """Run with one descriptor closed; return the status and both outputs."""
    pipes = {n: os.pipe() for n in (1, 2)}

    def close() -> None:
        os.close(closed)

    done = subprocess.Popen(
        [sys.executable, "-m", "vfio_doctor", *words],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=pipes[1][1],
        stderr=pipes[2][1],
        preexec_fn=close,  # noqa: PLW1509
    )
    for pipe in pipes.values():
        os.close(pipe[1])
    said = [whole(pipe[0]) for pipe in pipes.values()]
    return done.wait(), said[0], said[1]


def whole(number: int) -> str:
    with open(number, encoding="utf-8") as file:
        return file.read()


HOST = str(catalogue.path("bluefin-dx-2121"))
# Each way to print; what else prints is tried in a whole run, as it starts Python.
COMMANDS = (
    ("--version",),
    ("--capture", HOST),
    ("--capture", HOST, "bug-report", "--print"),
    pytest.param(("--help",), marks=pytest.mark.slow),
    pytest.param(("checks",), marks=pytest.mark.slow),
    pytest.param(("devices",), marks=pytest.mark.slow),
    pytest.param(("history",), marks=[pytest.mark.slow, pytest.mark.needs_root]),
    pytest.param(("--capture", HOST, "--fix", "--dry-run"), marks=pytest.mark.slow),
    pytest.param(("triage", HOST), marks=pytest.mark.slow),
    pytest.param(("undo", "--yes"), marks=[pytest.mark.slow, pytest.mark.needs_root]),
)


@pytest.mark.slow
@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(words)[-20:])
def test_nothing_is_a_success_that_nobody_can_read(words: tuple[str, ...]) -> None:
    status, out, err = run(1, *words)
    assert status in (2, 3)
    assert out == ""
    assert "standard output is closed" in err
    assert "Traceback" not in err


@pytest.mark.slow
@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(words)[-20:])
@pytest.mark.parametrize("closed", [pytest.param(0, marks=pytest.mark.slow), 2])
def test_the_others_may_be_closed(closed: int, words: tuple[str, ...]) -> None:
    status, out, err = run(closed, *words)
    assert status in (0, 1, 2, 3)
    assert out or closed == 2
    assert "Traceback" not in out + err
    assert "internal error:" not in out + err


@pytest.mark.slow
def test_who_stops_reading_a_report_has_its_file(tmp_path: Path) -> None:
    """A pager that ends early closes the pipe: the file is not at fault."""
    path = tmp_path / "it.tar.gz"
    words = ("--capture", HOST, "bug-report", "--show", "-o", str(path))
    with subprocess.Popen(
        [sys.executable, "-m", "vfio_doctor", *words],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout is not None
        program.stdout.close()
        assert program.stderr is not None
        said = program.stderr.read()
    assert program.returncode == 0, said
    assert "Broken pipe" not in said
    assert path.exists()
