"""Record what is read of a host: the record is a capture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.host.captured import Capture, CapturedHost, glob_by_listing
from vfio_doctor.host.reader import Missing

if TYPE_CHECKING:
    from vfio_doctor.host.reader import (
        Caller,
        CommandResult,
        ProbeResult,
        Reader,
        Stat,
        UdevDevice,
    )


class Recorder:
    """A `Reader` that asks another one, once for each question, and keeps it."""

    def __init__(self, host: Reader) -> None:
        """Take the reader to ask; ask nothing yet."""
        self._host = host
        self._kept = Capture.empty(host.name, host.caller())

    def capture(self) -> Capture:
        """Return all that was asked so far, with its answers."""
        return self._kept

    @property
    def name(self) -> str:
        """Return the name of the recorded host."""
        return self._host.name

    def caller(self) -> Caller:
        """Return who started the doctor on that host."""
        return self._kept.caller

    def read_bytes(self, path: str, limit: int = 1 << 20) -> bytes | Missing:
        """Read and keep a file."""
        kept = self._kept.files
        # A larger limit may turn a refusal into an answer.
        if path not in kept or not isinstance(kept[path], bytes):
            kept[path] = self._host.read_bytes(path, limit)
        return CapturedHost(self._kept).read_bytes(path, limit)

    def keep_if_said(
        self, path: str, words: tuple[bytes, ...], limit: int = 1 << 20
    ) -> None:
        """Read a file and keep it where it holds one of the words."""
        if path in self._kept.files:
            return
        data = self._host.read_bytes(path, limit)
        if isinstance(data, Missing) or any(word in data for word in words):
            self._kept.files[path] = data

    def lstat(self, path: str) -> Stat | Missing:
        """Look at and keep a path's record."""
        if path not in self._kept.stats:
            self._kept.stats[path] = self._host.lstat(path)
        return self._kept.stats[path]

    def list(self, path: str) -> tuple[str, ...] | Missing:
        """List and keep a folder."""
        if path not in self._kept.lists:
            self._kept.lists[path] = self._host.list(path)
        return self._kept.lists[path]

    def readlink(self, path: str) -> str | Missing:
        """Read a link; what is kept is the path's record, which holds its text."""
        self.lstat(path)
        return CapturedHost(self._kept).readlink(path)

    def glob(self, pattern: str) -> tuple[str, ...] | Missing:
        """Match by listings, which are kept."""
        return glob_by_listing(pattern, self.list)

    def run(self, argv: tuple[str, ...]) -> CommandResult | Missing:
        """Run a command and keep how it ended."""
        if argv not in self._kept.commands:
            self._kept.commands[argv] = self._host.run(argv)
        return self._kept.commands[argv]

    def udev_devices(self, subsystem: str) -> tuple[UdevDevice, ...] | Missing:
        """Ask for and keep the devices of a subsystem."""
        if subsystem not in self._kept.udev:
            self._kept.udev[subsystem] = self._host.udev_devices(subsystem)
        return self._kept.udev[subsystem]

    def probe(self, name: str, path: str) -> ProbeResult | Missing:
        """Run a probe and keep its answer."""
        if (name, path) not in self._kept.probes:
            self._kept.probes[name, path] = self._host.probe(name, path)
        return self._kept.probes[name, path]
