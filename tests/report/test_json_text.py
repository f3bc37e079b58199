from __future__ import annotations

import json as standard

from hypothesis import given
from hypothesis import strategies as st

from vfio_doctor.report import json

TEXT = st.text(alphabet=st.characters(exclude_categories=()))
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
)


@given(PLAIN)
def test_what_is_written_is_read_back(value: object) -> None:
    made = json.text(value)
    assert standard.loads(made) == value
    assert made.isascii()
    assert made.replace("\n", "").isprintable()


def test_it_looks_as_json_does() -> None:
    value = {"a": [1, [], {}, {"b": None}], 'q"\\': True}
    assert json.text(value) == standard.dumps(value, indent=1) + "\n"
