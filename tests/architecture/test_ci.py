"""CI has every program that a test can ask for: nothing goes untested there."""

from __future__ import annotations

from pathlib import Path

from support.rows import for_each
from support.tools import PACKAGES

RUN = Path(__file__).resolve().parents[2] / ".ci" / "run"


@for_each("package", sorted(set(PACKAGES.values())))
def test_ci_installs_what_tests_need(package: str) -> None:
    named = RUN.read_text().partition("missing=")[0]
    assert package in named.replace('"', " ").split()
