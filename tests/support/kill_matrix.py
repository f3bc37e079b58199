"""A command on a played machine that is stopped at a place of our choice.

A place is a call of the file layer, or a program that is run: before it, or after
it. Each case runs in a process of its own, which the signal really hits.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

from support import played_images
from support import played_machine as played
from support.engine_faults import name_of
from support.played_place import place
from vfio_doctor.app.place import Place
from vfio_doctor.boot.backend import BootBackend
from vfio_doctor.host.reader import CommandResult, Missing, Reader
from vfio_doctor.repair.target import Machine
from vfio_doctor.value import NamedTuple

P = ParamSpec("P")
R = TypeVar("R")
Act = Callable[[Place], int]
# Reads, which leave nothing behind that differs from the call before.
QUIET = ("open", "fstat", "stat", "listxattr", "getxattr", "fsync", "close", "flock")


class Stop:
    """Counts the places where a command can be stopped, and stops it at one."""

    def __init__(self, at: int = 0, number: int = signal.SIGKILL) -> None:
        self.at, self.number = at, number
        self.names: list[str] = []

    def reached(self, name: str) -> None:
        self.names.append(name)
        if len(self.names) == self.at:
            os.kill(os.getpid(), self.number)


class StoppedFiles(played.PlayedFiles):
    """The file layer; behind each call that changes something is a place."""

    def __init__(self, host: played.PlayedHost, stop: Stop) -> None:
        super().__init__(host)
        self.stop = stop

    def call(
        self, function: Callable[P, R], *arguments: P.args, **named: P.kwargs
    ) -> R:
        name = name_of(function)
        counts = name not in QUIET
        try:
            return function(*arguments, **named)
        finally:
            if counts:
                self.stop.reached(name)


class StoppedRunner(played_images.ImageRunner):
    """Programs of the machine; a place is before each, and one behind it."""

    def __init__(self, host: played.PlayedHost, stop: Stop) -> None:
        super().__init__(host)
        self.stop = stop

    def run(self, argv: tuple[str, ...], seconds: float) -> CommandResult | Missing:
        self.stop.reached(f"before {argv[0]}")
        try:
            return super().run(argv, seconds)
        finally:
            self.stop.reached(f"behind {argv[0]}")

    def _make(self, path: str) -> None:
        super()._make(path)
        self.stop.reached(f"made {path}")


def stopped_place(host: played.PlayedHost, stop: Stop) -> Place:
    """Return the place of `played_place`, with what stops a command in it."""
    made = place(host)

    def machine(seen: Reader, tool: BootBackend | None) -> Machine:
        whole = made.machine(seen, tool)
        files, runner = StoppedFiles(host, stop), StoppedRunner(host, stop)
        return whole._replace(files=files, runner=runner)

    return made._replace(machine=machine)


class Ended(NamedTuple):
    """How the process of a command ended, and what it said."""

    signal: int
    status: int
    said: str


def run(act: Act, host: played.PlayedHost, at: int, number: int, log: Path) -> Ended:
    """Run the command in a process of its own, stopped at a place."""
    child = os.fork()
    if not child:
        status = 99
        try:
            # A stand-in that was asked and not heard would answer the next one.
            played.server.cache_clear()
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGHUP, signal.SIG_DFL)
            with (
                log.open("w") as out,
                contextlib.redirect_stdout(out),
                contextlib.redirect_stderr(out),
            ):
                try:
                    status = act(stopped_place(host, Stop(at, number)))
                except KeyboardInterrupt:
                    status = 130
        except BaseException:
            import traceback

            with log.open("a") as out:
                traceback.print_exc(file=out)
        os._exit(status)
    ended = os.waitpid(child, 0)[1]
    host.moved()
    if os.WIFSIGNALED(ended):
        return Ended(os.WTERMSIG(ended), 0, log.read_text())
    return Ended(0, os.WEXITSTATUS(ended), log.read_text())


def heard(act: Act, host: played.PlayedHost) -> tuple[int, str]:
    """Run the command here, to its end; return its status and what it said."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        status = act(place(host))
    host.moved()
    return status, said.getvalue()
