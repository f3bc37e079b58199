"""The ratios of docs/design.md, section 7, on this machine.

The fastest of several rounds counts, and a round that is too slow gets a second
chance: other work on the machine can only make a run slower.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

import pytest

BENCH = Path(__file__).resolve().parents[2] / "scripts" / "bench"
pytestmark = [pytest.mark.speed, pytest.mark.runs("python")]


@pytest.fixture(scope="module")
def bench() -> Any:
    loader = SourceFileLoader("bench", str(BENCH))
    spec = spec_from_loader("bench", loader)
    assert spec
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


def eventually(holds: Callable[[int], bool]) -> bool:
    return any(holds(rounds) for rounds in (10, 20, 40))


def test_ratios_to_starting_python(bench: Any) -> None:
    assert eventually(bench.show_ratios)


def test_cost_is_linear_in_pci_devices(bench: Any) -> None:
    assert eventually(lambda rounds: bool(bench.show_growth(rounds // 3)))
