"""click's test runner with stdout and stderr apart, whatever its version."""

from __future__ import annotations

import inspect
from typing import Any

from click.testing import CliRunner


def runner() -> CliRunner:
    """Return one: before click 8.2 both streams are one unless it is told."""
    has_a_choice = "mix_stderr" in inspect.signature(CliRunner).parameters
    options: dict[str, Any] = {"mix_stderr": False} if has_a_choice else {}
    return CliRunner(**options)
