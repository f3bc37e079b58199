"""Kernel arguments through rpm-ostree: one call, one new deployment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.boot.words import added, refuse_init_part, removed
from vfio_doctor.host.reader import Missing, Why
from vfio_doctor.model import CommandStep, Step
from vfio_doctor.parse.cmdline import words

if TYPE_CHECKING:
    from vfio_doctor.boot.backend import ArgumentEdit
    from vfio_doctor.host.reader import Reader

KARGS = ("rpm-ostree", "kargs")
UNCHANGED = 77


class RpmOstree:
    """``rpm-ostree kargs`` with exact words.

    ``--append-if-missing`` is not relied on: versions 2023.5 to 2024.1 compared
    the key alone (coreos/rpm-ostree#4718). What is to be changed is computed
    here, from what ``rpm-ostree kargs`` prints of the default deployment.
    """

    name = "rpm-ostree"

    def read(self, host: Reader) -> tuple[str, ...] | Missing:
        """Return the words of the deployment that boots next."""
        answer = host.run(KARGS)
        if isinstance(answer, Missing):
            return answer
        if answer.status:
            return Missing(" ".join(KARGS), Why.FAILED, answer.stderr.strip())
        return words(answer.stdout)

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
                why="change the kernel arguments of the next deployment",
            ),
        )


def _call(gone: tuple[str, ...], new: tuple[str, ...]) -> tuple[str, ...]:
    return (
        *KARGS,
        "--unchanged-exit-77",
        *(f"--delete={word}" for word in gone),
        *(f"--append={word}" for word in new),
    )
