"""How many slips two words are apart."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from support.rows import for_each
from vfio_doctor.parse.near import distance

WORD = st.text(alphabet="abc", max_size=6)


@for_each(
    ("one", "other", "slips"),
    [
        ("iommu", "iommu", 0),
        ("iomu", "iommu", 1),
        ("iommmu", "iommu", 1),
        ("iomnu", "iommu", 1),
        ("backlist", "blacklist", 1),
        ("disable_vag", "disable_vga", 1),
        ("intel_iomu", "amd_iommu", 3),
        ("", "ab", 2),
    ],
)
def test_slips(one: str, other: str, slips: int) -> None:
    assert distance(one, other, 2) == slips


@given(WORD, WORD)
def test_it_is_the_same_both_ways(one: str, other: str) -> None:
    assert distance(one, other, 9) == distance(other, one, 9)
    assert (distance(one, other, 9) == 0) == (one == other)
    assert min(distance(one, other, 9), 3) == distance(one, other, 2)
