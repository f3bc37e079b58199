"""Kernel arguments through kernelstub: Pop!_OS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.boot.backend import BootBackend
from vfio_doctor.boot.words import added, refuse_init_part, removed
from vfio_doctor.facts.boot.config import kernelstub_words
from vfio_doctor.messages import say
from vfio_doctor.model import CommandStep, Step

if TYPE_CHECKING:
    from vfio_doctor.boot.backend import ArgumentEdit
    from vfio_doctor.host.reader import Missing, Reader

REMOVE = say("do-kernelstub-remove", "remove kernel arguments")
ADD = say("do-kernelstub-add", "add kernel arguments")


class Kernelstub(BootBackend):
    """``kernelstub -d`` and ``-a``; its JSON configuration is what is read."""

    name = "kernelstub"
    commands = (("kernelstub", "-[ado]", ".+"),)

    def read(self, host: Reader) -> tuple[str, ...] | Missing:
        """Return the user's kernel options."""
        return kernelstub_words(host)

    def steps(self, host: Reader, edit: ArgumentEdit) -> tuple[Step, ...]:
        """Return one call for the words that go, one for those that come."""
        refuse_init_part(edit, self.name)
        gone, new = " ".join(removed(edit)), " ".join(added(edit))
        take = CommandStep(
            ("kernelstub", "-d", gone),
            ("kernelstub", "-a", gone),
            why=REMOVE,
        )
        put = CommandStep(
            ("kernelstub", "-a", new),
            ("kernelstub", "-d", new),
            why=ADD,
        )
        return (*((take,) if gone else ()), *((put,) if new else ()))
