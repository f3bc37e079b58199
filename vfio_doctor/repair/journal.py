"""The journal below ``/var/lib/vfio-doctor``: what is done, and how to go back.

Written before it is done: a line is on the disk (fsync) before its step begins.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from vfio_doctor.facts.base import Said
from vfio_doctor.messages import say
from vfio_doctor.repair.journal_lines import (
    Beginning,
    Run,
    RunState,
    Unreadable,
    begin_value,
    line,
    pack_held,
    pack_message,
    pack_step,
    read,
    split,
)
from vfio_doctor.repair.syscalls import (
    CREATE,
    READ,
    Filesystem,
    StepFailed,
    reason,
)
from vfio_doctor.repair.trusted import OTHERS, refuse_others, roots_own
from vfio_doctor.repair.whole_files import make_folders, missing_folders, remove_folders
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.model import FileStep, Message
    from vfio_doctor.repair.syscalls import Held
    from vfio_doctor.repair.values import StepState

STATE = "/var/lib/vfio-doctor"
JOURNAL = f"{STATE}/journal"
LOCK = f"{STATE}/lock"
NAME = "journal.jsonl"
# Old contents may come from files that only root may read.
PRIVATE = 0o700
APPEND = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
UNUSABLE = say("journal-unusable", "the journal cannot be used: {why}")
UNREADABLE = say(
    "run-unreadable",
    "the run {run} cannot be read, so it is left alone: {why} (it is in {folder})",
)


HELD_BY = say(
    "repair-held-by",
    "process {pid} repairs this host right now; try again when it has finished",
)
HELD_BY_SOMEBODY = say(
    "repair-held",
    "another process repairs this host right now; try again when it has finished",
)


class Busy(Said):
    """Another doctor repairs this host; the message names its process."""


class Journal:
    """One run's journal, open for adding lines. OSError where that cannot be done."""

    def __init__(self, files: Filesystem, fd: int) -> None:
        """Take an open descriptor; see `begin` and `reopen`."""
        self._files = files
        self._fd = fd
        self._size = os.fstat(fd).st_size

    def act(self, number: int, old: Held | None, folders: tuple[str, ...]) -> None:
        """Say that a step begins, and what takes it back."""
        self._add({"is": "act", "n": number, "old": pack_held(old), "folders": folders})

    def anew(self, number: int, step: FileStep) -> None:
        """Say that a step is another than was planned, before it begins."""
        self._add({"is": "anew", "n": number, "step": pack_step(step)})

    def made(self, number: int, digest: str) -> None:
        """Say what another program made of a step, in its own spelling."""
        self._add({"is": "made", "n": number, "digest": digest})

    def back(self, number: int) -> None:
        """Say that a step begins to be taken back."""
        self._add({"is": "back", "n": number})

    def ended(self, number: int, state: StepState, why: Message | None = None) -> None:
        """Say what became of a step."""
        self._add({"is": state.value, "n": number, "why": pack_message(why)})

    def turn(self, asked: bool = False) -> None:
        """Say that from here on the run is taken back; ``asked``: by a person."""
        self._add({"is": "turn", "asked": asked})

    def end(self, state: RunState, boot: str) -> None:
        """Say that the run is over, and in which boot."""
        self._add({"is": "end", "state": state.value, "boot": boot})

    def close(self) -> None:
        """Close the file; every line is on the disk already."""
        with suppress(OSError):
            os.close(self._fd)

    def _add(self, value: dict[str, object]) -> None:
        data = line(value)
        if os.fstat(self._fd).st_size != self._size:
            # An earlier line was torn: the disk was full for a while.
            self._files.call(os.ftruncate, self._fd, self._size)
        self._files.write(self._fd, data)
        self._files.fsync(self._fd)
        self._size += len(data)


def begin(files: Filesystem, beginning: Beginning) -> Journal:
    """Make a run's folder and journal, its first line on the disk; or raise OSError."""
    where = f"{JOURNAL}/{beginning.run}"
    make_folders(files, missing_folders(files, f"{where}/x"), PRIVATE)
    folder = files.folder(where)
    try:
        fd = files.call(os.open, NAME, CREATE | os.O_APPEND, 0o600, dir_fd=folder)
        try:
            files.write(fd, line(begin_value(beginning)))
            files.fsync(fd)
            files.fsync(folder)
            return Journal(files, fd)
        except BaseException:
            os.close(fd)
            with suppress(OSError):
                os.unlink(NAME, dir_fd=folder)
            raise
    except OSError:
        with suppress(OSError, StepFailed):
            remove_folders(files, (where,))
        raise
    finally:
        os.close(folder)


def reopen(files: Filesystem, run: str) -> Journal:
    """Open a run's journal to go on; a torn end is cut off first."""
    sound = split(_read(files, run))[2]
    folder = files.folder(f"{JOURNAL}/{run}")
    try:
        fd = files.call(os.open, NAME, APPEND, dir_fd=folder)
    finally:
        os.close(folder)
    if os.fstat(fd).st_size != sound:
        files.call(os.ftruncate, fd, sound)
    return Journal(files, fd)


class Survey(NamedTuple):
    """Every run that began, oldest first, and those that cannot be read.

    The oldest has the lowest number; runs of before they had numbers come first,
    by their ids, which say when they began.
    """

    runs: tuple[Run, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()

    @property
    def next_number(self) -> int:
        """Return the number of a run that begins now."""
        return max((run.beginning.sequence for run in self.runs), default=0) + 1


def runs(files: Filesystem) -> tuple[Run, ...]:
    """Return the runs that can be read, oldest first; see `survey`."""
    return survey(files).runs


def survey(files: Filesystem) -> Survey:
    """Read every journal, each on its own: a bad one stops no other.

    Raises PermissionError where only root may look, `StepFailed` if others than
    root can change the folder.
    """
    # One that others have made for us is as bad before the first run.
    refuse_others(files, JOURNAL)
    try:
        folder = files.folder(JOURNAL)
    except FileNotFoundError:
        return Survey()
    try:
        names = sorted(os.listdir(folder))
    finally:
        os.close(folder)
    found = [_told(files, name) for name in names]
    good = [run for run in found if isinstance(run, Run)]
    good.sort(key=lambda run: (run.beginning.sequence, run.id))
    bad = tuple(run for run in found if isinstance(run, Unreadable))
    return Survey(tuple(good), bad)


def _told(files: Filesystem, name: str) -> Run | Unreadable | None:
    try:
        data = _read(files, name)
    except (OSError, StepFailed) as error:
        return Unreadable(name, reason(error))
    return read(name, data)


def _read(files: Filesystem, run: str) -> bytes:
    """Return a journal's bytes; a folder without one is a run that never began."""
    folder = files.folder(f"{JOURNAL}/{run}")
    try:
        own = roots_own(os.fstat(folder))
        fd = os.open(NAME, READ, dir_fd=folder)
    except FileNotFoundError:
        return b""
    finally:
        os.close(folder)
    with open(fd, "rb") as file:
        found = os.fstat(fd)
        if not own or not roots_own(found) or not stat.S_ISREG(found.st_mode):
            raise StepFailed(OTHERS.filled(path=f"{JOURNAL}/{run}"))
        return file.read()


@contextmanager
def locked(files: Filesystem, seconds: float = 5.0) -> Iterator[None]:
    """Hold the lock of all repairs on this host; wait some seconds for it.

    Raises `Busy` naming who holds it, and OSError where there can be no lock.
    """
    import fcntl

    folders = missing_folders(files, LOCK)
    make_folders(files, folders)
    where, _, name = LOCK.rpartition("/")
    folder = files.folder(where)
    try:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = files.call(os.open, name, flags, 0o600, dir_fd=folder)
    finally:
        os.close(folder)
    try:
        deadline = time.monotonic() + seconds
        while not _try(files, fd, fcntl.LOCK_EX | fcntl.LOCK_NB):
            if time.monotonic() >= deadline:
                raise Busy(_holder(fd))
            time.sleep(0.05)
        files.call(os.ftruncate, fd, 0)
        files.call(os.pwrite, fd, f"{os.getpid()}\n".encode("ascii"), 0)
        yield
    finally:
        os.close(fd)


def holder(files: Filesystem) -> Message | None:
    """Return who holds the lock, so that an open run is one at work; None: nobody.

    Nothing is made or written to find out.
    """
    import fcntl

    where, _, name = LOCK.rpartition("/")
    try:
        folder = files.folder(where)
    except OSError:
        return None
    try:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = files.call(os.open, name, flags, dir_fd=folder)
    except OSError:
        return None
    finally:
        os.close(folder)
    try:
        free = _try(files, fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return None if free else _holder(fd)
    finally:
        os.close(fd)


def _try(files: Filesystem, fd: int, how: int) -> bool:
    import fcntl

    try:
        files.call(fcntl.flock, fd, how)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EINTR):
            return False
        raise
    return True


def _holder(fd: int) -> Message:
    text = os.pread(fd, 20, 0).decode("ascii", "replace").strip()
    return HELD_BY.filled(pid=int(text)) if text.isdigit() else HELD_BY_SOMEBODY


def unusable(bad: Unreadable) -> Message:
    """Return what to say of a run that cannot be read."""
    return UNREADABLE.filled(run=bad.run, why=bad.why, folder=f"{JOURNAL}/{bad.run}")
