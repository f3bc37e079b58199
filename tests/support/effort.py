"""How many examples a property test tries: all in a whole run, fewer in a quick one.

Nothing here is timed: how long an example takes says how busy the machine is.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

ALL, FEW = 100, 10


def register() -> None:
    """Register the profiles ``whole`` and ``quick``; the first one counts."""
    untimed = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
    settings.register_profile("whole", max_examples=ALL, **untimed)  # type: ignore[arg-type]
    settings.register_profile("quick", max_examples=FEW, **untimed)  # type: ignore[arg-type]
    settings.load_profile("whole")


def examples(number: int) -> settings:
    """Return the settings of a test that tries this many in a whole run."""
    return settings(max_examples=max(1, number * settings().max_examples // ALL))
