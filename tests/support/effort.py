"""How much a test tries: all in CI, a part of it in a whole run, less in a quick one.

Nothing here is timed: how long an example takes says how busy the machine is.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

import pytest
from _pytest.mark import ParameterSet
from hypothesis import HealthCheck, settings

ALL, MANY, FEW = 100, 40, 10
A_THIRD, QUICK = 3, 30
T = TypeVar("T")


def register() -> None:
    """Register the profiles ``all``, ``whole`` and ``quick``; CI takes the first."""
    untimed = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
    for name, number in (("all", ALL), ("whole", MANY), ("quick", FEW)):
        settings.register_profile(name, max_examples=number, **untimed)  # type: ignore[arg-type]
    settings.load_profile("all" if os.environ.get("CI") == "true" else "whole")


def is_all() -> bool:
    """Tell whether everything is tried, as in CI."""
    return share(ALL) == ALL


def is_quick() -> bool:
    """Tell whether little is tried."""
    return share(ALL) == FEW


def examples(number: int) -> settings:
    """Return the settings of a test that tries this many in CI."""
    return settings(max_examples=share(number))


def share(number: int) -> int:
    """Return how many of these a test tries: all in CI."""
    return max(1, number * settings().max_examples // ALL)


def some(names: Sequence[T]) -> Sequence[T]:
    """Return them all, in a quick run one in four."""
    return names[::4] if is_quick() else names


def mostly_slow(names: Sequence[object], one_in: int) -> list[ParameterSet]:
    """Return them as parameters of which a quick run takes one in so many."""
    return [
        pytest.param(name, marks=[pytest.mark.slow] if at % one_in else [])
        for at, name in enumerate(names)
    ]


def on_hosts(names: Sequence[str]) -> list[ParameterSet]:
    """Return the hosts that a test is tried on: all in CI, one in three elsewhere."""
    return mostly_slow(names if is_all() else names[::A_THIRD], QUICK // A_THIRD)
