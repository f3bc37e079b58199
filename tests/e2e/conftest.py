"""What the scenarios share: guests that are always cleaned up, and a ledger."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from e2e import images
from e2e.vm import Machine

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter


class Ledger:
    """What this run has done, for its last lines."""

    def __init__(self) -> None:
        """Start the clock."""
        self.begun = time.monotonic()
        self.scenarios = 0
        self.boots = 0
        self.booting = 0.0
        self.faults = 0

    def enter(self, machine: Machine) -> None:
        """Add up what a machine has done."""
        self.boots += machine.boots
        self.booting += machine.seconds


LEDGER = Ledger()


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Leave the scenarios out unless they are asked for: ``-m e2e``."""
    wanted = config.option.markexpr
    if "e2e" in wanted and "not e2e" not in wanted:
        return
    scenarios = [item for item in items if item.get_closest_marker("e2e")]
    config.hook.pytest_deselected(items=scenarios)
    items[:] = [item for item in items if item not in scenarios]


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Say what was run."""
    if LEDGER.scenarios:
        minutes = (time.monotonic() - LEDGER.begun) / 60
        terminalreporter.write_line(
            f"real kernel: {LEDGER.scenarios} scenarios, {LEDGER.boots} boots"
            f" ({LEDGER.booting:.0f} s), {LEDGER.faults} faults injected,"
            f" {minutes:.1f} minutes"
        )


@pytest.fixture(autouse=True)
def only_named_programs() -> None:
    """Let scenarios start programs: the guard of the quick tests is not for them."""


@pytest.fixture(autouse=True)
def tools() -> None:
    """Skip, loudly, where a tool is missing; in CI that is a failure."""
    missing = images.missing_tools()
    if os.geteuid():
        missing.append("root (to make root file systems)")
    if missing and os.environ.get("CI") == "true":
        pytest.fail("the scenarios need: " + ", ".join(missing))
    if missing:
        pytest.skip("the scenarios need: " + ", ".join(missing))


@pytest.fixture
def machines() -> Iterator[list[Machine]]:
    """Collect the machines of a scenario; all are switched off behind it."""
    LEDGER.scenarios += 1
    started: list[Machine] = []
    yield started
    for machine in started:
        # pytest shows this where the scenario fails.
        print(f"The console of the guest ends with:\n{machine.console[-3000:]}")
        LEDGER.enter(machine)
        machine.close()


@pytest.fixture
def faults() -> Callable[[int], None]:
    """Count faults that a scenario has injected."""

    def add(count: int) -> None:
        LEDGER.faults += count

    return add
