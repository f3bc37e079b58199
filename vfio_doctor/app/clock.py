"""What the time is: the machine's, or the one that a repeatable build names."""

from __future__ import annotations

import os
import time

# Digits of a second that the year 5138 is not past; more is no time.
DIGITS = 11


def utc(moment: float | None = None) -> time.struct_time:
    """Return the time as UTC: SOURCE_DATE_EPOCH, else ``moment``, else now."""
    fixed = os.environ.get("SOURCE_DATE_EPOCH", "")
    if fixed.isascii() and fixed.isdigit() and len(fixed) <= DIGITS:
        return time.gmtime(int(fixed))
    return time.gmtime(moment)
