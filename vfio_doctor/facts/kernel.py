"""The running kernel: its release and the arguments it was booted with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.base import known
from vfio_doctor.host.reader import CONFIG_BYTES, read_text
from vfio_doctor.parse import cmdline
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader

CMDLINE = "/proc/cmdline"
OSRELEASE = "/proc/sys/kernel/osrelease"


class KernelCmdline(NamedTuple):
    """The arguments the running kernel was booted with."""

    line: cmdline.CommandLine
    source: str

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> KernelCmdline:
        """Read ``/proc/cmdline``."""
        return cls(
            cmdline.parse(known(read_text(host, CMDLINE, CONFIG_BYTES))), CMDLINE
        )


class KernelRelease(NamedTuple):
    """The running kernel's release, as ``uname -r`` prints it."""

    release: str

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> KernelRelease:
        """Read ``/proc/sys/kernel/osrelease``."""
        return cls(known(read_text(host, OSRELEASE)).strip())
