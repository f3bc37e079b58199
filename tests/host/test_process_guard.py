"""The guard of tests/conftest.py itself."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from support.rows import for_each


def died(run: object) -> str:
    """Return the name of what kept ``run`` from starting a process, or ""."""
    try:
        run()  # type: ignore[operator]
    except BaseException as error:
        return type(error).__name__
    return ""


@for_each(
    "start",
    [
        lambda: subprocess.run(["true"]),
        lambda: subprocess.run("true", shell=True),  # noqa: S602
        lambda: os.posix_spawn("/bin/true", ["true"], {}),
        lambda: os.system("true"),  # noqa: S605
    ],
    ids=["run", "shell", "posix_spawn", "system"],
)
def test_a_process_that_is_not_named_is_not_started(start: object) -> None:
    assert died(start) == "StartedProcess"


@pytest.mark.runs("true", "python")
def test_a_named_process_is_started() -> None:
    assert subprocess.run(["true"]).returncode == 0
    assert subprocess.run([sys.executable, "-c", "pass"]).returncode == 0
    assert died(lambda: subprocess.run(["false"])) == "StartedProcess"
