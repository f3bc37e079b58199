"""Where a repair runs: this machine, a person at a terminal, root or not."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from vfio_doctor.app.diagnosis import Diagnosed, diagnosed
from vfio_doctor.app.repair_machine import NOTHING_CHANGED, live_machine, to_stderr
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.app.chosen import Chosen
    from vfio_doctor.boot.backend import BootBackend
    from vfio_doctor.diagnosis.registry import Registry
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.model import Message
    from vfio_doctor.repair.target import Machine


def live_host() -> Reader:
    """Return this machine."""
    from vfio_doctor.host.live import LiveHost

    return LiveHost()


class Place(NamedTuple):
    """Where the repair runs; tests put their own in place of this machine."""

    host: Callable[[], Reader] = live_host
    look: Callable[[Chosen], Diagnosed] = diagnosed
    machine: Callable[[Reader, BootBackend | None], Machine] = live_machine
    is_root: Callable[[], bool] = lambda: os.geteuid() == 0
    is_terminal: Callable[[], bool] = lambda: sys.stdin.isatty()
    ask: Callable[[str], bool] = lambda text: click.confirm(text, err=True)
    choose: Callable[[str], str] = lambda text: str(
        click.prompt(text, type=click.Choice(("finish", "undo", "leave")), err=True)
    )
    rules: Callable[[Facts, tuple[str, ...]], Registry] = load

    def consents(self, question: Message) -> bool:
        """Ask; Ctrl-C is answered, and leaves with 130 as shells expect."""
        with answered():
            return self.ask(str(question))

    def choice(self, question: Message) -> str:
        """Ask which way to go; Ctrl-C is answered."""
        with answered():
            return self.choose(str(question))


@contextmanager
def answered() -> Iterator[None]:
    """Say that nothing was changed if the person leaves a prompt with Ctrl-C."""
    from vfio_doctor.app.prompt import heard

    try:
        with heard():
            yield
    except (click.Abort, KeyboardInterrupt) as abort:
        click.echo(err=True)
        to_stderr(NOTHING_CHANGED)
        raise click.exceptions.Exit(130) from abort
