"""What may be there although it was not seen: one rule for readings and facts."""

from __future__ import annotations

import pytest

from support.rows import for_each
from vfio_doctor.facts.base import MissingFact, known, missing_fact
from vfio_doctor.host import details
from vfio_doctor.host.reader import Missing, Why

SETTLED = [Missing("/x", Why.FAILED, detail) for detail in details.SETTLED]
READINGS = [Missing("/x", why, detail) for why in Why for detail in ("", "I/O error")]


@for_each("missing", [*SETTLED, *READINGS])
def test_a_fact_is_as_hidden_as_its_reading(missing: Missing) -> None:
    fact = missing_fact(missing)
    assert fact.hidden == missing.hidden
    with pytest.raises(MissingFact) as again:
        known(fact)
    assert again.value.hidden == missing.hidden


@for_each("missing", SETTLED)
def test_what_is_another_thing_hides_nothing(missing: Missing) -> None:
    assert not missing_fact(missing).hidden


def test_an_input_error_hides_what_is_there() -> None:
    assert missing_fact(Missing("/x", Why.FAILED, "Input/output error")).hidden
