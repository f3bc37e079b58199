"""A table that is one test: `for_each` reads as ``pytest.mark.parametrize`` does.

A test of its own costs more than most rows do: it is collected by every worker, set
up, and reported three times. A row that fails does not hide the others, and is named.
For rows that need a fixture each, a mark, or seconds: ``pytest.mark.parametrize``.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Sequence

from _pytest.mark import ParameterSet

Test = Callable[..., None]
SHOWN = 5


def for_each(
    names: str | Sequence[str], rows: Iterable[object], ids: object = None
) -> Callable[[Test], Test]:
    """Run a test with every row, and fail with those that do."""
    fields = [names] if isinstance(names, str) else list(names)
    values = [values_of(row, len(fields)) for row in rows]
    shown = ids if isinstance(ids, (list, tuple)) else [None] * len(values)

    def decorate(test: Test) -> Test:
        @functools.wraps(test)
        def all_rows(**fixtures: object) -> None:
            assert values, "no rows"
            failed = []
            for row, name in zip(values, shown, strict=True):
                try:
                    test(**fixtures, **dict(zip(fields, row, strict=True)))
                except Exception as error:
                    error.add_note(f"in the row {name or repr(row)[:400]}")
                    failed.append(error)
            tell(failed, len(values))

        signature = inspect.signature(test)
        kept = [p for p in signature.parameters.values() if p.name not in fields]
        all_rows.__dict__["__signature__"] = signature.replace(parameters=kept)
        del all_rows.__dict__["__wrapped__"]
        return all_rows

    return decorate


def values_of(row: object, count: int) -> tuple[object, ...]:
    """Return the values of one row, however it is written."""
    if isinstance(row, ParameterSet):
        assert not row.marks, "a row has no mark of its own"
        return tuple(row.values)
    if count == 1:
        return (row,)
    assert isinstance(row, (tuple, list)), row
    return tuple(row)


def tell(failed: list[Exception], count: int) -> None:
    """Raise what failed."""
    if len(failed) == 1:
        raise failed[0]
    if failed:
        said = f"{len(failed)} of {count} rows; the first {SHOWN} are shown"
        raise ExceptionGroup(said, failed[:SHOWN])
