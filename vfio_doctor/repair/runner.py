"""Start the programs that change a host: a list of words, never a shell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from vfio_doctor.host.reader import CommandResult, Missing, Why

if TYPE_CHECKING:
    from collections.abc import Callable

# Seconds. A deployment on a slow disk takes minutes; bringing forward does not.
BOOT_TOOL, FORWARD = 1800.0, 60.0
EVENT = 15.0
TRIGGER = ("udevadm", "trigger")


class Runner(Protocol):
    """Runs one command to its end."""

    def run(self, argv: tuple[str, ...], seconds: float) -> CommandResult | Missing:
        """Return how it ended; ABSENT where it is not installed. May raise OSError."""
        ...


class LiveRunner:
    """Programs of this machine: fixed environment and path, closed input."""

    def run(self, argv: tuple[str, ...], seconds: float) -> CommandResult | Missing:
        """Run one command; its whole process group dies with the time limit."""
        import os

        from vfio_doctor.host import commands, running

        path = commands.find(argv[0], lambda at: os.access(at, os.X_OK))
        if path is None:
            return Missing(argv[0], Why.ABSENT, "not installed")
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
        what = f"udev's event for {', '.join(sorted(missed))}"
        return Missing(what, Why.TIMED_OUT, f"none came in {EVENT:g} s")
    return result


class NoRunner:
    """For roots other than ``/``: programs would act on this machine."""

    def run(self, argv: tuple[str, ...], seconds: float) -> CommandResult | Missing:
        """Answer that nothing is run."""
        return Missing(argv[0], Why.ABSENT, "not run outside of the live host")


def wait_until_idle(
    tool: str,
    runner: Runner,
    sleep: Callable[[float], None],
    seconds: float = 600.0,
    tell: Callable[[str], None] = lambda _: None,
) -> str:
    """Wait while somebody else's transaction goes on; it is never cancelled.

    Returns "" once the tool is idle, else why it cannot be waited for.
    """
    if tool != "rpm-ostree":
        return ""
    waited, pause = 0.0, 2.0
    while waited <= seconds:
        busy = _transaction(runner)
        if busy is None:
            return ""
        tell(f"waiting for another rpm-ostree transaction ({busy})")
        sleep(pause)
        waited += pause
    return f"another rpm-ostree transaction did not end within {seconds:g} s"


def _transaction(runner: Runner) -> str | None:
    """Return the method of the transaction that goes on, None where there is none.

    ``transaction`` in ``rpm-ostree status --json`` is null or three texts.
    """
    import json

    answer = runner.run(("rpm-ostree", "status", "--json"), FORWARD)
    if isinstance(answer, Missing) or answer.status:
        return None
    try:
        held = json.loads(answer.stdout).get("transaction")
    except (ValueError, AttributeError):
        return None
    return str(held[0]) if isinstance(held, list) and held else None
