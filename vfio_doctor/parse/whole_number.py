"""A number in a stranger's text: of signs and lengths that hosts have."""

from __future__ import annotations

# What 64 bits hold. Python refuses to read some thousands of digits.
LONGEST = 18
# What 32 bits hold: the number of an account.
ID_DIGITS = 10


def whole(text: str, longest: int = LONGEST) -> int | None:
    """Return a whole number, None for any other text and for more digits than that.

    ``isdigit`` alone is true for superscripts too, which are no numbers.
    """
    known = text.isascii() and text.isdigit() and len(text) <= longest
    return int(text) if known else None
