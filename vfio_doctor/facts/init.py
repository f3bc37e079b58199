"""What starts this system's services: advice names no tool of another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.host.reader import Missing, Why
from vfio_doctor.messages import say
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.model import Message

SYSTEMD = "/run/systemd/system"
OPENRC, RUNIT = "OpenRC", "runit"
# What each makes at work, then what only its own configuration has.
OTHERS = {
    "/run/openrc": OPENRC,
    "/run/runit": RUNIT,
    "/run/s6-rc": "s6",
    "/run/dinitctl": "dinit",
    "/etc/conf.d/modules": OPENRC,
    "/etc/runit/1": RUNIT,
    "/etc/dinit.d/boot": "dinit",
}
TMPFILES = ("systemd-tmpfiles", "opentmpfiles", "tmpfiles", "etmpfiles")
FOLDERS = ("/usr/bin", "/bin", "/sbin", "/usr/sbin")
RESTART = {
    "": say("restart-by-systemctl", "`sudo systemctl try-restart virtqemud libvirtd`"),
    OPENRC: say("restart-by-rc-service", "`sudo rc-service libvirtd restart`"),
    RUNIT: say("restart-by-sv", "`sudo sv restart libvirtd`"),
}
RESTART_OTHERWISE = say("restart-by-another", "with the commands of {init}")
BY_SYSTEMCTL = say(
    "firmware-by-systemctl",
    "Reboot into the firmware setup (`systemctl reboot --firmware-setup`) of {board}",
)
BY_KEY = say(
    "firmware-by-key",
    "Reboot, enter the firmware setup of {board} with the key that is shown at the"
    " start (often Del or F2)",
)


class Init(NamedTuple):
    """Which init runs this system: ``other`` is "" for systemd.

    So it is if nothing shows another one. ``tmpfiles`` tells whether a program is there
    that reads tmpfiles.d. ``unseen`` is a mark of another one that may be there.
    """

    other: str
    tmpfiles: bool = True
    unseen: Missing | None = None

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> Init:
        """Look for the folders that each of them makes."""
        if not isinstance(host.lstat(SYSTEMD), Missing):
            return cls("")
        marks = {path: host.lstat(path) for path in OTHERS}
        there = (path for path, stat in marks.items() if not isinstance(stat, Missing))
        other = OTHERS.get(next(there, ""), "")
        missing = (stat for stat in marks.values() if isinstance(stat, Missing))
        unseen = next((m for m in missing if m.hidden), None)
        return cls(other, not other or _has_tmpfiles(host), None if other else unseen)

    @property
    def systemd(self) -> bool:
        """Tell whether it is systemd."""
        return not self.other

    @property
    def restart(self) -> Message:
        """Return how to restart libvirt's daemon, as the end of a clause."""
        known = RESTART.get(self.other)
        return known or RESTART_OTHERWISE.filled(init=self.other)

    def log(self, *words: str) -> str:
        """Return the command that shows the kernel's lines with one of the words."""
        read = "sudo journalctl -k -b" if self.systemd else "sudo dmesg"
        return f"{read} | grep -i {' '.join(f'-e {word}' for word in words)}"

    def firmware(self, board: str | Message) -> Message:
        """Return how to come to the firmware setup, as a clause."""
        return (BY_SYSTEMCTL if self.systemd else BY_KEY).filled(board=board)


def _has_tmpfiles(host: Reader) -> bool:
    """Tell whether one of the programs may be there: only if none is, nothing reads."""
    seen = (host.lstat(f"{folder}/{name}") for folder in FOLDERS for name in TMPFILES)
    return any(not isinstance(s, Missing) or s.why is not Why.ABSENT for s in seen)
