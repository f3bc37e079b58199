"""Where output goes: stdout that may be closed early, or a whole file."""

from __future__ import annotations

import os
import re
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from vfio_doctor.messages import say
from vfio_doctor.report.style import Look, look_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

    from vfio_doctor.app.chosen import Chosen
    from vfio_doctor.app.options import Failure
    from vfio_doctor.model import Message

CLOSED = say("output-closed", "cannot write the report: standard output is closed")
NOT_PRINTED = say(
    "output-not-printed", "cannot write the report to standard output: {why}"
)
NOT_WRITTEN = say("output-not-written", "{path}: cannot write: {why}")
STDOUT = ("-", "/dev/stdout")
# What is open already, whoever owns it: a shell's ``>(command)`` among them.
DESCRIPTOR = r"/(?:dev|proc/self)/fd/([0-9]{1,4})"


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
            assert isinstance(file, Output)
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


class Output:
    """The file that ``-o`` names, open before anything is done for it.

    A new file takes the old one's place; a symbolic link is replaced, never
    followed. A device (``/dev/null``) is written to.
    """

    def __init__(self, path: str, mode: int = 0o666) -> None:
        """Make room for the file; raises Failure with status 2."""
        from vfio_doctor.app.new_file import NewFile, write_device

        self.path = path
        self._file: NewFile | None = None
        try:
            if not re.fullmatch(DESCRIPTOR, path) and not write_device(path, b""):
                self._file = NewFile(path, True, mode)
        except (OSError, ValueError) as error:
            raise _unwritable(path, error) from error

    def write(self, text: str) -> None:
        """Write all of it, or nothing; raises Failure with status 2."""
        from vfio_doctor.app.new_file import write_device

        data = text.encode("utf-8", "surrogateescape")
        try:
            if self._file is not None:
                self._file.finish(data)
            elif held := re.fullmatch(DESCRIPTOR, self.path):
                with open(os.dup(int(held[1])), "wb") as stream:
                    stream.write(data)
            else:
                write_device(self.path, data)
        except OSError as error:
            raise _unwritable(self.path, error) from error

    def discard(self) -> None:
        """Leave nothing behind of a file that was not written."""
        if self._file is not None:
            self._file.discard()


@contextmanager
def opened(
    output: str | Output | None, mode: int = 0o666
) -> Iterator[str | Output | None]:
    """Give what `emit` takes, a file's place made sure of first."""
    if not isinstance(output, str) or output in STDOUT:
        yield output
        return
    held = Output(output, mode)
    try:
        yield held
    finally:
        held.discard()


def _unwritable(path: str, error: OSError | ValueError) -> Failure:
    said = error.strerror if isinstance(error, OSError) else error
    return _failure(NOT_WRITTEN.filled(path=path, why=str(said)))


def _failure(said: Message) -> Failure:
    from vfio_doctor.app.options import Failure

    return Failure(said, 2)
