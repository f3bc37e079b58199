"""Start the programs that change a host: a list of words, never a shell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.host.details import NOT_INSTALLED
from vfio_doctor.host.reader import CommandResult, Missing, Why
from vfio_doctor.messages import say

if TYPE_CHECKING:
    from collections.abc import Callable

# Seconds.
EVENT = 15.0
TRIGGER = ("udevadm", "trigger")
NO_EVENT = say(
    "udev-event-missed", "no event of udev for {devices} came in {seconds} s"
)
NOT_RUN = say("command-not-run-here", "not run outside of the live host")


class LiveRunner:
    """Programs of this machine: fixed environment and path, closed input."""

    def run(self, argv: tuple[str, ...], seconds: float) -> CommandResult | Missing:
        """Run one command; its whole process group dies with the time limit."""
        import os

        from vfio_doctor.host import commands, running

        path = commands.find(argv[0], lambda at: os.access(at, os.X_OK))
        if path is None:
            return Missing(argv[0], Why.ABSENT, NOT_INSTALLED)
        if argv[:2] == TRIGGER:
            return _triggered(lambda: running.run(path, argv, seconds), argv)
        return running.run(path, argv, seconds)


def _triggered(
    run: Callable[[], CommandResult | Missing], argv: tuple[str, ...]
) -> CommandResult | Missing:
    """Trigger events, and wait until udev has finished with each device."""
    import os

    from vfio_doctor.host.udev import EventWatch

    subsystem = argv[-1].rpartition("=")[2]
    try:
        names = frozenset(os.listdir(f"/sys/class/{subsystem}"))
    except OSError:
        names = frozenset()
    watch = EventWatch(subsystem)
    result = run()
    if isinstance(result, Missing) or result.status:
        return result
    missed = watch.missed(names, EVENT)
    if missed:
        said = NO_EVENT.filled(devices=tuple(sorted(missed)), seconds=f"{EVENT:g}")
        return Missing(" ".join(argv), Why.TIMED_OUT, said)
    return result


class NoRunner:
    """For roots other than ``/``: programs would act on this machine."""

    def run(self, argv: tuple[str, ...], seconds: float) -> CommandResult | Missing:
        """Answer that nothing is run."""
        return Missing(argv[0], Why.ABSENT, NOT_RUN)
