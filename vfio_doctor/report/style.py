"""How a report may look on the stream it goes to."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from vfio_doctor.report.pasted import CANONICAL, Called
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import IO

NARROWEST = 40
USUAL = 80
# Longer lines are harder to read, however wide the terminal is.
WIDEST = 100


class Look(NamedTuple):
    """Columns, colour or not, UTF-8 or not, and how much to say.

    ``verbosity`` is -1 for the shortest report, 0 usual, 1 with evidence;
    ``called`` is how commands name the program.
    """

    width: int = USUAL
    colour: bool = False
    utf8: bool = True
    verbosity: int = 0
    called: Called = CANONICAL


def look_for(
    stream: IO[str] | None, colour: str, verbosity: int, environ: Mapping[str, str]
) -> Look:
    """Return the look for a stream; ``colour`` is auto, always or never.

    A stream that was closed before the program began is None.
    """
    if stream is None:
        return Look(verbosity=verbosity)
    encoding = (getattr(stream, "encoding", None) or "ascii").lower()
    return Look(
        _width(stream, environ),
        _wants_colour(stream, colour, environ),
        encoding.replace("-", "") == "utf8",
        verbosity,
    )


def _wants_colour(stream: IO[str], colour: str, environ: Mapping[str, str]) -> bool:
    if colour != "auto":
        return colour == "always"
    if environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR", "0") not in ("", "0"):
        return True
    return stream.isatty() and environ.get("TERM", "dumb") != "dumb"


def _width(stream: IO[str], environ: Mapping[str, str]) -> int:
    asked = environ.get("COLUMNS", "")
    if asked.isascii() and asked.isdigit():
        width = int(asked[:4])
    elif stream.isatty():
        width = _terminal_width(stream)
    else:
        width = USUAL
    return max(NARROWEST, min(width or USUAL, WIDEST))


def _terminal_width(stream: IO[str]) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):
        return USUAL
