"""Kernel arguments through grubby: Fedora and RHEL boot entries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.boot.backend import BootBackend
from vfio_doctor.boot.grub import file_step
from vfio_doctor.boot.kernel_cmdline import CMDLINE, cmdline_step
from vfio_doctor.boot.words import added, refuse_init_part, removed
from vfio_doctor.facts.boot.config import GRUB_DEFAULT
from vfio_doctor.host.reader import Missing, Why
from vfio_doctor.messages import say
from vfio_doctor.model import CommandStep, Step
from vfio_doctor.parse.cmdline import words

if TYPE_CHECKING:
    from vfio_doctor.boot.backend import ArgumentEdit
    from vfio_doctor.host.reader import Reader

CHANGE = say("do-grubby", "change the kernel arguments of every installed kernel")
NO_ARGS = say("grubby-no-args", "prints no line args=")
INFO = ("grubby", "--info=DEFAULT")


class Grubby(BootBackend):
    """``grubby --update-kernel=ALL`` for the kernels that are installed.

    Kernels installed later take theirs from ``/etc/kernel/cmdline``, or on older
    releases from ``/etc/default/grub``: both are kept in step.
    """

    name = "grubby"
    commands = (("grubby", "--update-kernel=ALL", "--(?:remove-)?args=.+", "..."),)

    def read(self, host: Reader) -> tuple[str, ...] | Missing:
        """Return the words of the default kernel, without ``root=``."""
        answer = host.run(INFO)
        if isinstance(answer, Missing):
            return answer
        for line in answer.stdout.splitlines():
            if line.startswith("args="):
                return words(line.removeprefix("args=").strip().strip('"'))
        return Missing(" ".join(INFO), Why.FAILED, NO_ARGS)

    def steps(self, host: Reader, edit: ArgumentEdit) -> tuple[Step, ...]:
        """Return the edits of both files, then the one call of grubby."""
        refuse_init_part(edit, self.name)
        gone, new = removed(edit), added(edit)
        files = (
            file_step(host, GRUB_DEFAULT, list(gone), new, "GRUB_CMDLINE_LINUX"),
            cmdline_step(host, CMDLINE, edit),
        )
        return (
            *(step for step in files if step is not None),
            CommandStep(
                _call(gone, new),
                _call(new, gone),
                why=CHANGE,
            ),
        )


def _call(gone: tuple[str, ...], new: tuple[str, ...]) -> tuple[str, ...]:
    argv = ["grubby", "--update-kernel=ALL"]
    if gone:
        argv.append(f"--remove-args={' '.join(gone)}")
    if new:
        argv.append(f"--args={' '.join(new)}")
    return tuple(argv)
