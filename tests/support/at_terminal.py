"""Run a repair, setup or teardown on a played machine, at the terminal that is stdin.

    python -m support.at_terminal repair|setup|teardown FOLDER [LANGUAGE]

The terminal becomes the controlling one, so that Ctrl-C reaches the program.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import termios
from pathlib import Path

import click

from support import played_images
from support import played_machine as played
from support.fixture_hosts import catalogue
from support.fixture_hosts.parts import Parts
from support.fixture_hosts.recipes.leftovers import QUICKPASSTHROUGH
from support.played_place import place
from support.unbound_card import unbound
from vfio_doctor.app import repair
from vfio_doctor.app.chosen import Chosen
from vfio_doctor.app.place import Place
from vfio_doctor.app.setup_passthrough import passthrough
from vfio_doctor.commands.teardown import Wanted, tear_down
from vfio_doctor.facts.pci.binding import BINDING_FILE
from vfio_doctor.language import choose

REPAIR, SETUP, TEARDOWN = "repair", "setup", "teardown"
# The host of the issue that this program exists for.
SICK = "bluefin-dx-2121"
WHICH = "nothing is changed yet): "
OURS = Parts({BINDING_FILE: "softdep nouveau pre: vfio-pci\n"})


def host(what: str, root: Path) -> played.PlayedHost:
    """Return the machine: sick, bare, or set up by us and by quickpassthrough."""
    if what == REPAIR:
        return played.PlayedHost(root, catalogue.host(SICK).capture)
    if what == SETUP:
        made = played_images.host_in(root, unbound(ids=""))
    else:
        text = QUICKPASSTHROUGH.files["/etc/modprobe.d/vfio.conf"]
        theirs = Parts({"/etc/modprobe.d/vfio.conf": text})
        made = played_images.host_in(root, unbound(OURS, theirs))
    played.update_grub(root, ("update-grub",))
    made.moved()
    return made


def main(what: str, root: Path) -> int:
    os.setsid()
    # Whoever runs the tests in the background ignores Ctrl-C, and so would this.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    seen = place(host(what, root))
    real = Place()
    there = seen._replace(is_terminal=real.is_terminal, ask=real.ask)
    try:
        if what == REPAIR:
            return repair.run(Chosen(fix=True), there)
        if what == SETUP:
            return passthrough(Chosen(fix=True), there)
        return tear_down(Wanted(passthrough=True), Chosen(), there)
    except click.exceptions.Exit as left:
        return left.exit_code


if __name__ == "__main__":
    choose(["--language", *sys.argv[3:]], {}, sys.stdout)
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
