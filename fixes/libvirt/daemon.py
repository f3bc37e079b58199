"""Have systemd start libvirt's daemon."""

from __future__ import annotations

from vfio_doctor.api import (
    CannotFix,
    Change,
    EnableUnit,
    Facts,
    Finding,
    Fix,
    Generated,
    Iterator,
    LibvirtDaemons,
    say,
)

MASKED = say(
    "enable-libvirt-daemon-masked", "{units} is masked, and only you know what for"
)
CHOICE = say(
    "enable-libvirt-daemon-choice",
    "{daemons} are both installed, and which one it should be is your choice",
)


BY_HAND = say("enable-libvirt-daemon-by-hand", "services of {init} are left to you")


class EnableLibvirtDaemon(Fix):
    """Enables the socket of libvirt's daemon and starts it, if it does not run.

    The daemon itself starts when a program connects. If both daemons are installed,
    or a unit is masked, it is left to you.
    """

    id = "enable-libvirt-daemon"
    solves = ("libvirt-daemon-off",)
    summary = "Have systemd start libvirt's daemon"

    def propose(self, finding: Finding, facts: Facts) -> Iterator[Change]:
        """Yield the socket, or the service if the daemon has none."""
        facts[Generated].refuse()
        found, init = facts[LibvirtDaemons]
        if init:
            raise CannotFix(BY_HAND.filled(init=init))
        masked = tuple(unit for daemon in found for unit in daemon.masked)
        if masked:
            raise CannotFix(MASKED.filled(units=masked))
        if len(found) > 1:
            raise CannotFix(CHOICE.filled(daemons=tuple(d.name for d in found)))
        # The socket stands behind the service.
        yield EnableUnit(found[0].units[-1], not found[0].listens)
