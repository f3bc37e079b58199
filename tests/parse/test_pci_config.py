"""The configuration space: ACS is found if it is there, and nothing else is kept."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from support.config_space import bridge, no_express
from support.rows import for_each
from vfio_doctor.parse.pci_config import Acs, parse_config, skeleton


@for_each(
    ("data", "state"),
    [
        (bridge((0x1D, 0x1D)), Acs.ON),
        (bridge((0x5F, 0x1D)), Acs.ON),
        (bridge((0x1D, 0x00)), Acs.OFF),
        (bridge((0x1D, 0x19)), Acs.OFF),
        # What a bridge cannot do is not asked of it.
        (bridge((0x0D, 0x0D)), Acs.ON),
        (bridge((0x00, 0x00)), Acs.OFF),
        (bridge(None), Acs.NONE),
        (no_express(), Acs.NONE),
    ],
)
def test_acs(data: bytes, state: Acs) -> None:
    found = parse_config(data)
    assert found is not None
    assert found.state is state
    kept = parse_config(skeleton(data))
    assert kept is not None
    assert kept.state is state


@for_each("data", [b"", bridge((0x1D, 0x1D))[:64], bridge(None)[:256], b"\xff" * 4096])
def test_what_could_not_be_read_says_nothing(data: bytes) -> None:
    assert parse_config(data) is None
    assert skeleton(data) == data[:64]


def test_no_serial_number_is_kept() -> None:
    data = bridge((0x1D, 0x1D), serial=b"\xaa\xbb\xcc\xdd\xee\x11\x22\x33")
    assert b"\xcc\xdd\xee" in data
    assert b"\xcc\xdd\xee" not in skeleton(data)


@given(st.binary(max_size=600))
def test_any_bytes(data: bytes) -> None:
    made = skeleton(data)
    assert skeleton(made) == made
    before, after = parse_config(data), parse_config(made)
    assert (before and before.state) == (after and after.state)
