"""How this program was started, and so what to type to start it again."""

from __future__ import annotations

import os
import shlex
import sys
from typing import TYPE_CHECKING

from vfio_doctor.report.pasted import CANONICAL, NAME, SUDO, Called

if TYPE_CHECKING:
    from vfio_doctor.app.chosen import Chosen

# What sudo searches everywhere; what lies elsewhere is named by its whole path.
SUDO_SEARCHES = ("/usr/bin", "/usr/sbin", "/bin", "/sbin")
PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def called(chosen: Chosen | None = None) -> Called:
    """Return how to call the program again, about the same host and person."""
    words = program(sys.argv[0])
    if not words:
        made = CANONICAL
    else:
        whole = shlex.join(words)
        here = len(words) == 1 and _found(words[0])
        by_sudo = here and os.path.dirname(words[0]) in SUDO_SEARCHES
        made = Called(NAME if here else whole, SUDO if by_sudo else f"sudo {whole}")
    if chosen is None:
        return made
    if chosen.redact:
        # What is for others names neither a folder nor an account of ours.
        return CANONICAL
    devices = each("--device", chosen.devices)
    about = each("--with", chosen.areas) + devices
    about += ["--user", chosen.user] if chosen.user else []
    # Which rules a set-up repairs is no choice of the person's.
    rules = [] if chosen.bind else each("--select", chosen.select)
    rules += each("--skip", chosen.skip)
    made = made._replace(rules=shlex.join(rules))
    if chosen.capture is None:
        held = shlex.join(about)
        return made._replace(options=held, root_options=held)
    # What needs root is for the captured host: its own program is meant there.
    capture = shlex.join(["--capture", chosen.capture])
    held = shlex.join(["--capture", chosen.capture, *about])
    there = shlex.join(devices)
    return made._replace(options=held, root_options=there, capture=capture, root=SUDO)


def each(option: str, values: tuple[str, ...]) -> list[str]:
    """Return the words that give an option once for each value."""
    return [word for value in values for word in (option, value)]


def program(argv0: str) -> list[str]:
    """Return the words that start this program, none if it was not started as one."""
    path = os.path.abspath(argv0)
    if path == os.path.join(PACKAGE, "__main__.py"):
        # -P: nothing that lies in the current folder runs as root.
        safe = [] if os.path.exists("vfio_doctor") else ["-P"]
        return [sys.executable, *safe, "-m", "vfio_doctor"]
    if PACKAGE.startswith(path + os.sep):
        # An archive of zipapp.
        return [sys.executable, path]
    from_checkout = os.path.join(os.path.dirname(PACKAGE), "scripts", "run")
    return [path] if os.path.basename(path) == NAME or path == from_checkout else []


def _found(path: str) -> bool:
    """Tell whether the shell finds this very program by its name."""
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        at = os.path.join(folder, NAME)
        if folder and os.access(at, os.X_OK):
            return os.path.realpath(at) == os.path.realpath(path)
    return False
