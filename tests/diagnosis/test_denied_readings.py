"""What could not be seen is not "no": it may turn a verdict into unknown only."""

from __future__ import annotations

import pytest

from support import denials
from support.effort import mostly_slow
from support.fixture_hosts import catalogue


@pytest.mark.parametrize("name", mostly_slow(catalogue.names()))
def test_a_denied_reading_decides_nothing(name: str) -> None:
    wrong = denials.wrong(catalogue.capture(name))
    assert not wrong, "\n".join(wrong)
