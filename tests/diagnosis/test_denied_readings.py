"""What could not be seen is not "no": it may turn a verdict into unknown only."""

from __future__ import annotations

import pytest

from support import denials
from support.effort import mostly_slow
from support.fixture_hosts import catalogue

# Not mended yet: what belongs to another person is known by the rules alone, and
# which device a rule is for by the devices alone.
LEFT = {
    "case-kvmfr-27b-two-devices-dropped-258": "new finding at /dev/kvmfr1",
    "case-kvmfr-27c-second-device-no-rule": "/sys/class/kvmfr/kvmfr0/dev denied",
}


@pytest.mark.parametrize("name", mostly_slow(catalogue.names()))
def test_a_denied_reading_decides_nothing(name: str) -> None:
    capture = catalogue.capture(name)
    before = denials.judged(capture)
    wrong = [
        f"{reading.key} denied: {change}"
        for reading in denials.readings(capture)
        for change in denials.changes(
            before, denials.judged(denials.denying(capture, reading))
        )
    ]
    left = [line for line in wrong if LEFT.get(name, "\n") in line]
    assert wrong == left, "\n".join(wrong)
    assert bool(left) is (name in LEFT), "mended: take it off the list"
