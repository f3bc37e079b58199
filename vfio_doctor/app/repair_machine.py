"""What the commands that change this machine share: its parts, and becoming root."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from vfio_doctor.facts.accounts import HumanUser
from vfio_doctor.facts.base import MissingFact
from vfio_doctor.messages import say

if TYPE_CHECKING:
    from vfio_doctor.boot.backend import BootBackend
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.model import Message
    from vfio_doctor.repair.target import Machine
    from vfio_doctor.repair.values import Outcome

NOTHING_CHANGED = say("nothing-changed", "Nothing was changed.")
NO_TERMINAL = say(
    "nothing-changed-no-terminal",
    "Nothing was changed: there is no terminal to ask on; add --yes.",
)


def live_machine(host: Reader, backend: BootBackend | None) -> Machine:
    """Return this machine's files and programs."""
    from vfio_doctor.repair.runner import LiveRunner
    from vfio_doctor.repair.syscalls import Filesystem
    from vfio_doctor.repair.target import Machine

    return Machine(host, Filesystem(), LiveRunner(), backend, progress)


def boot_tool(host: Reader) -> BootBackend | None:
    """Return the back end of this host's boot tool, None where there is none."""
    from vfio_doctor.boot.selection import chosen
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.model import Message

    asked = chosen(host, Facts(host))
    return None if isinstance(asked, Message) else asked


def progress(text: str | Message) -> None:
    """Say what is being done; on stderr, and only to a person."""
    if sys.stderr.isatty():
        to_stderr(f"{text} ...")


def to_stderr(text: str | Message) -> None:
    """Write one line to stderr, made safe; a command in it works when pasted."""
    from vfio_doctor.app.program import called
    from vfio_doctor.report.untrusted import clean

    for line in on_stderr(clean(called().pasted(str(text)))):
        click.echo(line, err=True)


def on_stderr(text: str, first: str = "", rest: str = "") -> list[str]:
    """Return prose as lines that fit a terminal; elsewhere, and a command, whole."""
    if not sys.stderr.isatty() or text.startswith(" "):
        return [f"{first}{text}"]
    import os

    from vfio_doctor.report.style import look_for
    from vfio_doctor.report.wrap import wrap

    width = look_for(sys.stderr, "never", 0, os.environ).width
    return wrap(text, width, first, rest)


def lines_of(outcome: Outcome) -> list[str]:
    """Return what became of a run, as lines."""
    from vfio_doctor.app.output import look
    from vfio_doctor.report.plan import outcome_lines

    return outcome_lines(outcome, look=look("auto", 0, None))


def root_command(facts: Facts | None, argv: list[str]) -> str:
    """Return the exact command that does this as root.

    sudo's search path rarely holds ``~/.local/bin``, so the program is named by
    its whole path; the person who will run the VM is named as well.
    """
    import os
    import shlex

    from vfio_doctor.app.program import program

    again = program(argv[0]) or [os.path.abspath(argv[0])]
    words = ["sudo", *again, *argv[1:]]
    named = any(w == "--user" or w.startswith("--user=") for w in argv)
    if facts is not None and not named:
        with suppress(MissingFact):
            at = len(again) + 1
            words[at:at] = ["--user", facts[HumanUser].name]
    return " ".join(shlex.quote(word) for word in words)
