"""What the time is: the machine's, or the one that a repeatable build names."""

from __future__ import annotations

import os
import time

from vfio_doctor.parse.whole_number import whole

# Digits of a second that the year 5138 is not past; more is no time.
DIGITS = 11


def utc(moment: float | None = None) -> time.struct_time:
    """Return the time as UTC: SOURCE_DATE_EPOCH, else ``moment``, else now."""
    fixed = whole(os.environ.get("SOURCE_DATE_EPOCH", ""), DIGITS)
    if fixed is not None:
        return time.gmtime(fixed)
    return time.gmtime(moment)
