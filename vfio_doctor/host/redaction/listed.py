"""Lists of words as they are written down here: blanks between, in any order."""

from __future__ import annotations


def listed(text: str) -> frozenset[str]:
    """Return the words of a list."""
    return frozenset(text.split())
