"""Where output goes: stdout that may be closed early, or a whole file."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from vfio_doctor.messages import say
from vfio_doctor.report.style import Look, look_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

    from vfio_doctor.app.chosen import Chosen
    from vfio_doctor.app.failure import Failure
    from vfio_doctor.app.new_file import Output
    from vfio_doctor.messages import Message

CLOSED = say("output-closed", "cannot write the report: standard output is closed")
NOT_PRINTED = say(
    "output-not-printed", "cannot write the report to standard output: {why}"
)
STDOUT = ("-", "/dev/stdout")


def look(
    colour: str,
    verbosity: int,
    output: str | Output | None,
    chosen: Chosen | None = None,
) -> Look:
    """Return how text may look where it goes; a file is no terminal.

    Commands in it are about the host and the person that were ``chosen``.
    """
    from vfio_doctor.app.program import called

    how = called(chosen)
    if output is not None and output not in STDOUT:
        return Look(colour=colour == "always", verbosity=verbosity, called=how)
    seen = look_for(sys.stdout, colour, verbosity, os.environ)
    return seen._replace(called=how)


def emit(text: str, output: str | Output | None = None) -> None:
    """Print the text, or write it to a file; raises Failure with status 2.

    Whoever reads our output may stop early (``vfio-doctor | head``): then the
    rest is dropped and the exit status still says what was found.
    """
    if output is not None and output not in STDOUT:
        with opened(output) as file:
            assert not isinstance(file, str | None)
            file.write(text)
        return
    if sys.stdout is None:
        raise _failure(CLOSED)
    try:
        _print(text, sys.stdout)
    except BrokenPipeError:
        drop_stdout()
    except OSError as error:
        drop_stdout()
        raise _failure(NOT_PRINTED.filled(why=str(error.strerror))) from error


def drop_stdout() -> None:
    """Send the rest of our output nowhere."""
    # Python flushes stdout once more when it leaves.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _print(text: str, stream: IO[str]) -> None:
    try:
        stream.write(text)
    except UnicodeEncodeError:
        from vfio_doctor.report.untrusted import ascii_only

        stream.write(ascii_only(text))
    stream.flush()


@contextmanager
def opened(
    output: str | Output | None, mode: int = 0o666
) -> Iterator[str | Output | None]:
    """Give what `emit` takes, a file's place made sure of first."""
    if not isinstance(output, str) or output in STDOUT:
        yield output
        return
    from vfio_doctor.app.new_file import Output

    held = Output(output, mode)
    try:
        yield held
    finally:
        held.discard()


def _failure(said: Message) -> Failure:
    from vfio_doctor.app.failure import Failure

    return Failure(said, 2)
