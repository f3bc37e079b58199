"""What every kernel-argument back end offers, and the steps it answers with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.host.reader import Missing, Reader
    from vfio_doctor.model import Step


class ArgumentEdit(NamedTuple):
    """The words of the next boot's command line, before and after."""

    before: tuple[str, ...]
    after: tuple[str, ...]


class BootBackend(Protocol):
    """One way to change kernel arguments; it plans, `engine.apply` acts."""

    @property
    def name(self) -> str:
        """Return the tool's name as its documentation spells it."""
        ...

    def read(self, host: Reader) -> tuple[str, ...] | Missing:
        """Return the words the next boot will be given, exactly as spelt."""
        ...

    def steps(self, host: Reader, edit: ArgumentEdit) -> tuple[Step, ...]:
        """Return the one transaction that makes ``edit``, with its inverse.

        Raises `CannotFix` with the exact snippet to use by hand where this
        stack cannot be edited from the running host.
        """
        ...


@runtime_checkable
class MenuMaker(Protocol):
    """A back end whose tool makes the loader's menu out of a configuration.

    `BootBackend.read` is then what is configured, and the menu what will boot.
    """

    def menu(self, host: Reader) -> tuple[str, ...] | Missing:
        """Return the words of the menu's default entry."""
        ...
