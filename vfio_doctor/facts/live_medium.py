"""Whether this system runs from a live medium: what is set there is gone at its end."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from vfio_doctor.facts.base import MissingFact
from vfio_doctor.facts.kernel import KernelCmdline
from vfio_doctor.host.reader import read_text
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.parse.cmdline import CommandLine

MOUNTS = "/proc/mounts"
# dracut-dmsquash-live, live-boot and casper, archiso, and the images made with these.
FLAGS = ("rd.live.image", "archisobasedir", "archisolabel", "archisodevice")
BOOTS = ("live", "casper")
# What a live medium calls its root; that of composefs is an overlay too.
ROOTS = ("airootfs", "cow", "/cow", "LiveOS_rootfs", "overlayroot")


class LiveMedium(NamedTuple):
    """What shows it: an argument of the kernel, or the root's mount; "" if nothing."""

    mark: str

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> LiveMedium:
        """Look at the booted arguments, then at what is mounted at /."""
        return cls(next(_marks(host, facts), ""))


def _marks(host: Reader, facts: Facts) -> Iterator[str]:
    with contextlib.suppress(MissingFact):
        yield from _words(facts[KernelCmdline].line)
    mounts = read_text(host, MOUNTS)
    for line in mounts.splitlines() if isinstance(mounts, str) else ():
        words = line.split()
        if words[1:3] == ["/", "overlay"] and words[0] in ROOTS:
            yield f"{MOUNTS}: {words[0]} / overlay"


def _words(line: CommandLine) -> Iterator[str]:
    for argument in line.arguments:
        value = argument.value or ""
        is_live = argument.key == "boot" and value in BOOTS
        is_live = is_live or (argument.key == "root" and value.startswith("live:"))
        if argument.key in FLAGS or is_live:
            yield argument.raw
