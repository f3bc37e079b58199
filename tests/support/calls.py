"""What something costs on any machine: the calls that it makes."""

from __future__ import annotations

import sys
from collections.abc import Callable


def calls(function: Callable[[], object]) -> int:
    """Return how many calls a call of the function takes."""
    found = 0

    def count(*_: object) -> None:
        nonlocal found
        found += 1

    sys.setprofile(count)
    try:
        function()
    finally:
        sys.setprofile(None)
    return found
