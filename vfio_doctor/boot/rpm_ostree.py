"""Kernel arguments through rpm-ostree: one call, one new deployment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.boot.backend import FORWARD, BootBackend
from vfio_doctor.boot.words import added, refuse_init_part, removed
from vfio_doctor.facts.base import MissingFact
from vfio_doctor.facts.boot.entries import RPM_OSTREE_KARGS, rpm_ostree_kargs
from vfio_doctor.facts.boot.next_kernel import RPM_OSTREE_STATUS
from vfio_doctor.facts.images.own import own_initramfs
from vfio_doctor.host.reader import Missing
from vfio_doctor.messages import say
from vfio_doctor.model import CommandStep, Step

if TYPE_CHECKING:
    from collections.abc import Callable

    from vfio_doctor.boot.backend import ArgumentEdit, Runner
    from vfio_doctor.host.reader import CommandResult, Reader
    from vfio_doctor.model import Message

UNCHANGED = 77
BUSY = "error: Transaction in progress"
# Seconds.
WAIT, PAUSE = 600.0, 2.0
WAITING = say(
    "rpm-ostree-waiting", "waiting for another rpm-ostree transaction ({transaction})"
)
STILL_BUSY = say(
    "rpm-ostree-busy",
    "another rpm-ostree transaction did not end within {seconds} s",
)
CHANGE = say(
    "do-rpm-ostree-kargs", "change the kernel arguments of the next deployment"
)


class RpmOstree(BootBackend):
    """``rpm-ostree kargs`` with exact words.

    ``--append-if-missing`` is not relied on: versions 2023.5 to 2024.1 compared
    the key alone (coreos/rpm-ostree#4718). What is to be changed is computed
    here, from what ``rpm-ostree kargs`` prints of the default deployment.
    """

    name = "rpm-ostree"
    rollback = "rpm-ostree rollback"
    commands = (
        (*RPM_OSTREE_KARGS, "--unchanged-exit-77", "--(?:delete|append)=.+", "..."),
    )

    def read(self, host: Reader) -> tuple[str, ...] | Missing:
        """Return the words of the deployment that boots next."""
        return rpm_ostree_kargs(host)

    def steps(self, host: Reader, edit: ArgumentEdit) -> tuple[Step, ...]:
        """Return the one transaction; undo is the same call the other way."""
        refuse_init_part(edit, self.name)
        gone, new = removed(edit), added(edit)
        return (
            CommandStep(
                _call(gone, new),
                _call(new, gone),
                (0, UNCHANGED),
                waits_for=self.name,
                why=CHANGE,
            ),
        )

    def wait_until_idle(
        self,
        runner: Runner,
        sleep: Callable[[float], None],
        tell: Callable[[str | Message], None],
    ) -> Message | None:
        """Wait for another transaction to end; it is never cancelled."""
        waited = 0.0
        while waited <= WAIT:
            busy = _transaction(runner)
            if busy is None:
                return None
            tell(WAITING.filled(transaction=busy))
            sleep(PAUSE)
            waited += PAUSE
        return STILL_BUSY.filled(seconds=int(WAIT))

    def is_busy(self, answer: CommandResult | Missing) -> bool:
        """Tell whether another transaction began between our look and our call."""
        if isinstance(answer, Missing) or answer.status == 0:
            return False
        return BUSY in answer.stderr

    def holds(self, host: Reader, argv: tuple[str, ...]) -> bool | None:
        """Compare the initramfs of the next deployment with what a call asks for."""
        from vfio_doctor.boot.images.own_initramfs import INITRAMFS, call

        if argv[:2] != INITRAMFS:
            return None
        try:
            return call(own_initramfs(host)) == argv
        except MissingFact:
            return False


def _transaction(runner: Runner) -> str | None:
    """Return the method of the transaction that goes on, None if there is none.

    ``transaction`` in ``rpm-ostree status --json`` is null or three texts.
    """
    import json

    answer = runner.run(RPM_OSTREE_STATUS, FORWARD)
    if isinstance(answer, Missing) or answer.status:
        return None
    try:
        held = json.loads(answer.stdout).get("transaction")
    except (ValueError, AttributeError):
        return None
    return str(held[0]) if isinstance(held, list) and held else None


def _call(gone: tuple[str, ...], new: tuple[str, ...]) -> tuple[str, ...]:
    return (
        *RPM_OSTREE_KARGS,
        "--unchanged-exit-77",
        *(f"--delete={word}" for word in gone),
        *(f"--append={word}" for word in new),
    )
