"""Kernel arguments through kernelstub: Pop!_OS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.boot.backend import BootBackend
from vfio_doctor.boot.words import refuse_init_part, removed
from vfio_doctor.facts.base import CannotFix
from vfio_doctor.facts.boot.config import kernelstub_words
from vfio_doctor.messages import say
from vfio_doctor.model import CommandStep, Step

if TYPE_CHECKING:
    from vfio_doctor.boot.backend import ArgumentEdit
    from vfio_doctor.host.reader import Missing, Reader

CHANGE = say("do-kernelstub", "set the whole line of kernel arguments")
NO_WORDS = say(
    "kernelstub-no-words",
    "kernelstub cannot set an empty line of arguments; take out of "
    "user.kernel_options in /etc/kernelstub/configuration: {gone}",
)


class Kernelstub(BootBackend):
    """``kernelstub -o`` with the whole line; its JSON configuration is what is read.

    ``-d`` puts all options in another order and drops repeated ones, and an order
    or a second ``console=`` may matter.
    """

    name = "kernelstub"
    commands = (("kernelstub", "-[ado]", ".+"),)

    def read(self, host: Reader) -> tuple[str, ...] | Missing:
        """Return the user's kernel options."""
        return kernelstub_words(host)

    def steps(self, host: Reader, edit: ArgumentEdit) -> tuple[Step, ...]:
        """Return the one call that sets the whole line, and the one back."""
        refuse_init_part(edit, self.name)
        if not edit.after:
            raise CannotFix(NO_WORDS.filled(gone=" ".join(removed(edit))))
        back = _call(edit.before) if edit.before else ()
        return (CommandStep(_call(edit.after), back, why=CHANGE),)


def _call(words: tuple[str, ...]) -> tuple[str, ...]:
    return ("kernelstub", "-o", " ".join(words))
