"""What could not be seen is not "no": it may turn a verdict into unknown only."""

from __future__ import annotations

import pytest

from support import denials
from support.effort import mostly_slow
from support.fixture_hosts import catalogue


@pytest.mark.parametrize("name", mostly_slow(catalogue.names()))
def test_a_denied_reading_decides_nothing(name: str) -> None:
    capture = catalogue.capture(name)
    before = denials.judged(capture)
    wrong = [
        f"{reading.key} denied: {change}"
        for reading, ids in denials.readings(capture).items()
        for change in denials.changes(
            before, denials.judged(denials.denying(capture, reading), ids)
        )
    ]
    assert not wrong, "\n".join(wrong)
