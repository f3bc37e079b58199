"""rpm-ostree makes the initramfs of a deployment here: rpm-ostree(1), dracut(8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.boot.images.maker import ImageMaker
from vfio_doctor.facts.base import CannotFix, Facts
from vfio_doctor.facts.boot.stack import BootKind, BootStack
from vfio_doctor.facts.images.own import FORCE, OwnInitramfs, own_initramfs
from vfio_doctor.messages import say
from vfio_doctor.model import CommandStep

if TYPE_CHECKING:
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.model import OwnInitramfsBack, RebuildImages, Step

INITRAMFS = ("rpm-ostree", "initramfs")
MAKE = say(
    "do-own-initramfs",
    "have rpm-ostree make the initramfs of the next deployment on this machine, with"
    " {modules} loaded first: a transaction of its own, which takes minutes",
)
BACK = say(
    "do-own-initramfs-back",
    "have the next deployment's initramfs be what it was before the set-up: a"
    " transaction of its own",
)
NOT_HERE = say(
    "own-initramfs-not-here",
    "the initramfs comes with the system's image, and nothing on this machine makes"
    " another",
)
NO_FILES = say(
    "own-initramfs-no-files",
    "the initramfs comes with the system's image, which does not hold {files}",
)


class RpmOstreeInitramfs(ImageMaker):
    """``rpm-ostree initramfs``: the state is part of the deployment, and so of undo.

    The kernel arguments take a transaction of their own, which starts from the
    deployment that this one has staged.
    """

    name = "rpm-ostree"
    commands = (
        (*INITRAMFS, "--enable"),
        (*INITRAMFS, "--enable", "--arg=.+", "..."),
        (*INITRAMFS, "--disable"),
    )

    def steps(self, host: Reader, change: RebuildImages) -> tuple[list[Step], ...]:
        """Return the one transaction; undo brings the former state back."""
        facts = Facts(host)
        if facts[BootStack].kind is not BootKind.RPM_OSTREE:
            raise CannotFix(NOT_HERE)
        if change.files or not change.modules:
            raise CannotFix(NO_FILES.filled(files=change.files))
        now = facts[OwnInitramfs]
        # The first is what has the devices; the others are loaded when a VM opens one.
        first = change.modules[0].replace("_", "-")
        if now.loads(first):
            return [], []
        wanted = OwnInitramfs(True, (*now.arguments, f"{FORCE}={first}"))
        why = MAKE.filled(modules=(first,))
        step = CommandStep(call(wanted), call(now), waits_for="rpm-ostree", why=why)
        return [], [step]


def call(wanted: OwnInitramfs) -> tuple[str, ...]:
    """Return the command that brings a state about."""
    if not wanted.made:
        return (*INITRAMFS, "--disable")
    return (*INITRAMFS, "--enable", *(f"--arg={each}" for each in wanted.arguments))


def back(change: OwnInitramfsBack, host: Reader) -> CommandStep:
    """Return the step that brings a former state back; undo brings this one back."""
    wanted, now = OwnInitramfs(*change), own_initramfs(host)
    return CommandStep(call(wanted), call(now), waits_for="rpm-ostree", why=BACK)


def asked_by(argv: tuple[str, ...]) -> OwnInitramfs:
    """Return the state that a command brings about."""
    made = "--enable" in argv
    return OwnInitramfs(made, tuple(x[6:] for x in argv if x.startswith("--arg=")))
