"""All that a repair acts on and with, put together by the command line."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from vfio_doctor.host.reader import Missing, read_text
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from vfio_doctor.boot.backend import BootBackend, Runner
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.model import Message
    from vfio_doctor.repair.syscalls import Filesystem

BOOT_ID = "/proc/sys/kernel/random/boot_id"


def _quiet(_: str | Message) -> None:
    """Say nothing."""


class Machine(NamedTuple):
    """The host to read, its files to change, its programs, its boot tool.

    ``tell`` gets one line before each thing that may take long.
    ``lock_seconds`` is how long another repair is waited for.
    """

    host: Reader
    files: Filesystem
    runner: Runner
    backend: BootBackend | None = None
    tell: Callable[[str | Message], None] = _quiet
    sleep: Callable[[float], None] = time.sleep
    lock_seconds: float = 5.0


def boot_id(host: Reader) -> str:
    """Return the kernel's random id of this boot, "" where it has none."""
    text = read_text(host, BOOT_ID)
    return "" if isinstance(text, Missing) else text.strip()
