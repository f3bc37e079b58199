"""Where output goes: stdout that may be closed early, or a whole file."""

from __future__ import annotations

import os
import stat
import sys
from typing import TYPE_CHECKING

from vfio_doctor.app.options import Failure
from vfio_doctor.report.style import Look, look_for

if TYPE_CHECKING:
    from typing import IO


def look(colour: str, verbosity: int, output: str | None) -> Look:
    """Return how text may look where it goes; a file is no terminal."""
    if output not in (None, "-"):
        return Look(colour=colour == "always", verbosity=verbosity)
    return look_for(sys.stdout, colour, verbosity, os.environ)


def emit(text: str, output: str | None = None) -> None:
    """Print the text, or write it to a file; raises Failure with status 2.

    Whoever reads our output may stop early (``vfio-doctor | head``): then the
    rest is dropped and the exit status still says what was found.
    """
    if output not in (None, "-"):
        assert output is not None
        _write(text, output)
        return
    if sys.stdout is None:
        raise Failure("cannot write the report: standard output is closed", 2)
    try:
        _print(text, sys.stdout)
    except BrokenPipeError:
        _drop_stdout()
    except OSError as error:
        _drop_stdout()
        said = f"cannot write the report to standard output: {error.strerror}"
        raise Failure(said, 2) from error


def _drop_stdout() -> None:
    # Python flushes stdout once more when it leaves.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _print(text: str, stream: IO[str]) -> None:
    try:
        stream.write(text)
    except UnicodeEncodeError:
        from vfio_doctor.report.untrusted import ascii_only

        stream.write(ascii_only(text))
    stream.flush()


def _write(text: str, path: str) -> None:
    """Write a whole file or nothing: a new file takes the old one's place.

    A symbolic link is replaced, never followed: it may be somebody else's trap in
    a shared folder. A device (``/dev/null``) is written to, and what a link to no
    file leads to (``/dev/stdout``); a pipe could wait for its reader for ever.
    """
    try:
        if os.path.isdir(path):
            raise IsADirectoryError(21, "it is a folder", path)
        if os.path.exists(path) and not os.path.isfile(path):
            _write_through(text, path)
            return
        _replace(text, path)
    except OSError as error:
        raise Failure(f"{path}: cannot write: {error.strerror}", 2) from error


def _write_through(text: str, path: str) -> None:
    kind = os.lstat(path).st_mode
    if not stat.S_ISCHR(kind) and not stat.S_ISLNK(kind):
        raise Failure(f"{path}: cannot write: it is not a regular file", 2)
    # A pipe that nobody reads is refused at once; one that is read may be slow.
    number = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    os.set_blocking(number, True)
    with open(number, "w", encoding="utf-8") as device:
        device.write(text)


def _replace(text: str, path: str) -> None:
    folder, name = os.path.split(path)
    scratch = os.path.join(folder, f".{name}.{os.getpid()}.tmp")
    number = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with open(number, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(number)
        os.replace(scratch, path)
    except BaseException:
        os.unlink(scratch)
        raise
