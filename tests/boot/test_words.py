"""Whether words are those that an edit makes: each as often as the edit has it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from support.rows import for_each
from vfio_doctor.boot.backend import ArgumentEdit
from vfio_doctor.boot.words import lacking, staying

WORDS = st.lists(st.sampled_from(["a", "b", "quiet"]), max_size=6).map(tuple)


@for_each(
    ["before", "after", "now", "lacks", "stays"],
    [
        ("quiet", "quiet iommu=pt", "iommu=pt quiet splash", "", ""),
        ("quiet", "quiet iommu=pt", "quiet", "iommu=pt", ""),
        ("iommu=off quiet", "quiet", "iommu=off quiet", "", "iommu=off"),
        # One of two was taken out: the other is no word that stays.
        ("quiet quiet", "quiet", "quiet", "", ""),
        ("quiet quiet", "quiet", "quiet quiet", "", "quiet"),
        ("a", "a a", "a", "a", ""),
    ],
)
def test_each_word_counts_as_often_as_it_stands(
    before: str, after: str, now: str, lacks: str, stays: str
) -> None:
    edit = ArgumentEdit(tuple(before.split()), tuple(after.split()))
    words = tuple(now.split())
    assert lacking(edit, words) == tuple(lacks.split())
    assert staying(edit, words) == tuple(stays.split())


@given(WORDS, WORDS)
def test_after_the_edit_nothing_lacks_and_nothing_stays(
    before: tuple[str, ...], after: tuple[str, ...]
) -> None:
    edit = ArgumentEdit(before, after)
    assert not lacking(edit, after)
    assert not staying(edit, after)
    if sorted(before) != sorted(after):
        assert lacking(edit, before) or staying(edit, before)
