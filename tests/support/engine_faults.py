"""Fail or die at the N-th system call of a repair, for every N."""

from __future__ import annotations

import errno
import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, ParamSpec, TypeVar

from support import engine_trees as trees
from vfio_doctor.repair.journal import JOURNAL, NAME, runs
from vfio_doctor.repair.journal_lines import Run, split
from vfio_doctor.repair.syscalls import Filesystem

P = ParamSpec("P")
R = TypeVar("R")

ERRORS = (errno.ENOSPC, errno.EIO, errno.EROFS, errno.EACCES)
EXPECTED_DEATH = 9


class Counting(Filesystem):
    """Counts the calls."""

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self.calls = 0

    def call(
        self, function: Callable[P, R], *arguments: P.args, **named: P.kwargs
    ) -> R:
        self.calls += 1
        return self.made(function, *arguments, **named)

    def made(
        self, function: Callable[P, R], *arguments: P.args, **named: P.kwargs
    ) -> R:
        return function(*arguments, **named)


def name_of(function: object) -> str:
    return str(getattr(function, "__name__", ""))


def half_write(fd: object, data: object) -> None:
    assert isinstance(fd, int)
    assert isinstance(data, bytes)
    os.write(fd, data[: len(data) // 2])


class Failing(Counting):
    """Makes the call at ``at`` fail; with ``on`` every call from there on."""

    def __init__(self, root: str, at: int, number: int, on: bool = False) -> None:
        super().__init__(root)
        self.at, self.number, self.on = at, number, on

    def made(
        self, function: Callable[P, R], *arguments: P.args, **named: P.kwargs
    ) -> R:
        if self.calls == self.at or (self.on and self.calls > self.at):
            if name_of(function) == "close":
                function(*arguments, **named)
            raise OSError(self.number, os.strerror(self.number))
        return function(*arguments, **named)


class Dying(Counting):
    """Kills its own process at the call ``at``: before it, or half-way through."""

    def __init__(self, root: str, at: int, half: bool) -> None:
        super().__init__(root)
        self.at, self.half = at, half

    def made(
        self, function: Callable[P, R], *arguments: P.args, **named: P.kwargs
    ) -> R:
        if self.calls == self.at:
            try:
                if self.half and name_of(function) == "write":
                    half_write(*arguments)
                elif self.half:
                    function(*arguments, **named)
            finally:
                os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **named)


class Tally:
    """What the faults did: counted, printed, and must be zero."""

    def __init__(self) -> None:
        self.tried = 0
        self.torn = 0
        self.unreadable = 0

    def look(self, root: Path, old: Tree, new: Tree) -> None:
        """Count one fault and what it left behind."""
        self.tried += 1
        self.torn += len(torn(root, old, new))
        self.unreadable += unreadable(root)

    def line(self, what: str) -> str:
        return (
            f"{what}: {self.tried} faults tried, {self.torn} files torn, "
            f"{self.unreadable} journals unreadable"
        )


Tree = dict[str, trees.Thing]


class Trial(NamedTuple):
    """One repair of a fresh tree: before, and as it should be after."""

    before: Tree
    after: Tree
    calls: int


def torn(root: Path, old: Tree, new: Tree) -> list[str]:
    """Return the paths that are neither wholly old nor wholly new."""
    now = trees.snapshot(root)
    paths = {p for p in {*old, *new, *now} if not is_scratch(p)}
    return [p for p in sorted(paths) if now.get(p) not in (old.get(p), new.get(p))]


def is_scratch(path: str) -> bool:
    name = path.rpartition("/")[2]
    return name.startswith(".") and name.endswith((".new", ".old"))


def unreadable(root: Path) -> int:
    """Count the journals with a damaged line that is no torn end."""
    folder = root / JOURNAL.lstrip("/")
    paths = list(folder.glob(f"*/{NAME}")) if folder.exists() else []
    return sum(split(path.read_bytes())[1] > 0 for path in paths)


def in_child(act: Callable[[], object]) -> bool:
    """Run ``act`` in a forked process; tell whether it was killed in it."""
    child = os.fork()
    if not child:
        try:
            act()
            os._exit(0)
        except BaseException:
            import traceback

            traceback.print_exc()
        os._exit(1)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == EXPECTED_DEATH


def quick_place() -> str | None:
    """A folder in memory where that knows attributes: fsync of a disk takes long."""
    try:
        with tempfile.TemporaryDirectory(dir="/dev/shm") as where:
            os.setxattr(where, "user.note", b"kept")
            os.setxattr(where, "system.posix_acl_access", trees.ACL)
    except OSError:
        return None
    return "/dev/shm"


@contextmanager
def quick_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=quick_place()) as where:
        yield Path(where)


def fresh(folder: Path, number: int) -> Path:
    root = folder / f"tree{number}"
    root.mkdir(parents=True)
    trees.sick_tree(root)
    return root


def open_run(root: Path) -> Run | None:
    found = [r for r in runs(Filesystem(str(root))) if r.state.name == "OPEN"]
    assert len(found) < 2
    return found[0] if found else None


def trial(folder: Path, act: Callable[[Path, Filesystem], object]) -> Trial:
    """Repair a tree without a fault, to know how many calls and what comes out."""
    root = fresh(folder, 0)
    before = trees.snapshot(root)
    counting = Counting(str(root))
    act(root, counting)
    return Trial(before, trees.snapshot(root), counting.calls)
