"""What the scenarios share: guests that are always cleaned up, and a ledger."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from e2e import images
from e2e.scenario import RESULTS
from e2e.vm import Machine

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter


class Ledger:
    """What a run has done, for its last lines; workers hand theirs to the first."""

    def __init__(self) -> None:
        """Start the clock."""
        self.begun = time.monotonic()
        self.counts = {"scenarios": 0, "boots": 0, "booting": 0.0, "faults": 0}

    def add(self, **more: float) -> None:
        """Add up what was done."""
        for name, value in more.items():
            self.counts[name] += value

    def enter(self, machine: Machine) -> None:
        """Add up what a machine has done."""
        self.add(boots=machine.boots, booting=machine.seconds)

    def line(self) -> str:
        """Return it as one line."""
        done, minutes = self.counts, (time.monotonic() - self.begun) / 60
        return (
            f"real kernel: {done['scenarios']:g} scenarios, {done['boots']:g} boots"
            f" ({done['booting']:.0f} s), {done['faults']:g} faults injected,"
            f" {minutes:.1f} minutes"
        )


LEDGER = Ledger()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand a worker's counts to the process that started it."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["ledger"] = LEDGER.counts


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over what a worker has counted."""
    LEDGER.add(**getattr(node, "workeroutput", {}).get("ledger", {}))


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
    """Say what was run; forget images that no run uses any more."""
    if LEDGER.counts["scenarios"]:
        terminalreporter.write_line(LEDGER.line())
        images.forget_old()


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
def machines(request: pytest.FixtureRequest) -> Iterator[list[Machine]]:
    """Collect the machines of a scenario; all are switched off behind it.

    What each leaves (console, journals, files) is kept below `RESULTS`.
    """
    LEDGER.add(scenarios=1)
    started: list[Machine] = []
    yield started
    name = re.sub(r"[^A-Za-z0-9.-]+", "-", request.node.name).strip("-")
    for number, machine in enumerate(started):
        # pytest shows this where the scenario fails.
        print(f"The console of the guest ends with:\n{machine.console[-3000:]}")
        LEDGER.enter(machine)
        try:
            machine.collect(RESULTS / f"{name}-{number}")
        finally:
            machine.close()


@pytest.fixture
def faults() -> Callable[[int], None]:
    """Count faults that a scenario has injected."""
    return lambda count: LEDGER.add(faults=count)
