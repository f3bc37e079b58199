"""Standard streams that were closed before we began: something stands in for them."""

from __future__ import annotations

import io
import os
import sys

from vfio_doctor.app.failure import Failure
from vfio_doctor.app.output import CLOSED


class ClosedOutput(io.TextIOBase):
    """Refuses what is written to it: what nobody can read is no success."""

    encoding = "utf-8"

    def write(self, text: str) -> int:
        """Raise Failure with status 2, unless there is nothing to write."""
        if text:
            raise Failure(CLOSED, 2)
        return 0


def stand_in() -> None:
    """Fill the places of closed streams, so that no file of ours gets their numbers.

    Nothing is read from the input; what goes to stderr is lost, as was asked for.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(number)
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    if sys.stdout is None:
        sys.stdout = ClosedOutput()
