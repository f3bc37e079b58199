"""The tables of the tests: a row that fails fails the test, and is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.rows import for_each


def test_all_rows_are_tried_and_what_fails_is_named() -> None:
    tried = []

    @for_each(("a", "b"), [(1, 1), (1, 2), (3, 3), (4, 5)])
    def equal(a: int, b: int) -> None:
        tried.append(a)
        assert a == b

    with pytest.raises(ExceptionGroup, match="2 of 4 rows") as caught:
        equal()
    assert tried == [1, 1, 3, 4]
    notes = [error.__notes__ for error in caught.value.exceptions]
    assert notes == [["in the row (1, 2)"], ["in the row (4, 5)"]]


def test_one_that_fails_is_shown_as_it_is(tmp_path: Path) -> None:
    @for_each("name", ["x", "y"], ids=["first", "second"])
    def is_x(name: str, folder: Path) -> None:
        assert folder.is_dir()
        assert name == "x"

    with pytest.raises(AssertionError) as caught:
        is_x(folder=tmp_path)
    assert caught.value.__notes__ == ["in the row second"]


def test_a_table_without_rows_fails() -> None:
    @for_each("name", [])
    def never(name: str) -> None:
        raise AssertionError(name)

    with pytest.raises(AssertionError, match="no rows"):
        never()
