"""What starts this system's services: advice names no tool of another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.host.reader import Missing
from vfio_doctor.messages import say
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.model import Message

SYSTEMD = "/run/systemd/system"
# OpenRC, runit and s6 at work, and OpenRC's own configuration.
OTHERS = ("/run/openrc", "/run/runit", "/run/s6-rc", "/etc/conf.d/modules")
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
    """Whether systemd runs this system; so it is if nothing shows another one."""

    systemd: bool

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> Init:
        """Look for the folders that each of them makes."""
        if not isinstance(host.lstat(SYSTEMD), Missing):
            return cls(True)
        return cls(all(isinstance(host.lstat(path), Missing) for path in OTHERS))

    def log(self, *words: str) -> str:
        """Return the command that shows the kernel's lines with one of the words."""
        read = "sudo journalctl -k -b" if self.systemd else "sudo dmesg"
        return f"{read} | grep -i {' '.join(f'-e {word}' for word in words)}"

    def firmware(self, board: str | Message) -> Message:
        """Return how to come to the firmware setup, as a clause."""
        return (BY_SYSTEMCTL if self.systemd else BY_KEY).filled(board=board)
