"""The memory that is free for a new user of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.base import MissingFact, missing_fact
from vfio_doctor.host.reader import Missing, read_text
from vfio_doctor.messages import say
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader

MEMINFO = "/proc/meminfo"
FIELD = "MemAvailable:"
SILENT = say("free-memory-untold", "/proc/meminfo does not tell the free memory")


class FreeMemory(NamedTuple):
    """What the kernel estimates that a program can get without swapping, in MiB."""

    mib: int

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> FreeMemory:
        """Read ``MemAvailable``; raise `MissingFact` where it is not told."""
        text = read_text(host, MEMINFO)
        if isinstance(text, Missing):
            raise missing_fact(text)
        for line in text.splitlines():
            words = line.split()
            if words[:1] == [FIELD] and words[1:2] and words[1][:12].isdecimal():
                return cls(int(words[1][:12]) // 1024)
        raise MissingFact(SILENT)
