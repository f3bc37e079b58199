"""How much a test tries: all in a whole run, a part of it in a quick one.

Nothing here is timed: how long an example takes says how busy the machine is.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from _pytest.mark import ParameterSet
from hypothesis import HealthCheck, settings

ALL, FEW = 100, 10
ONE_IN = 16


def register() -> None:
    """Register the profiles ``whole`` and ``quick``; the first one counts."""
    untimed = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
    settings.register_profile("whole", max_examples=ALL, **untimed)  # type: ignore[arg-type]
    settings.register_profile("quick", max_examples=FEW, **untimed)  # type: ignore[arg-type]
    settings.load_profile("whole")


def examples(number: int) -> settings:
    """Return the settings of a test that tries this many in a whole run."""
    return settings(max_examples=share(number))


def share(number: int) -> int:
    """Return how many of these a test tries: all in a whole run."""
    return max(1, number * settings().max_examples // ALL)


def mostly_slow(names: Sequence[object]) -> list[ParameterSet]:
    """Return them as parameters of which a quick run takes one in sixteen."""
    return [
        pytest.param(name, marks=[pytest.mark.slow] if at % ONE_IN else [])
        for at, name in enumerate(names)
    ]
