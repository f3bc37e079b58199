"""What every kernel-argument back end offers, and the steps it answers with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.value import NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import ClassVar

    from vfio_doctor.host.reader import CommandResult, Missing, Reader
    from vfio_doctor.model import Message, Step

# Seconds. A deployment on a slow disk takes minutes; bringing forward does not.
BOOT_TOOL, FORWARD = 1800.0, 60.0


class ArgumentEdit(NamedTuple):
    """The words of the next boot's command line, before and after."""

    before: tuple[str, ...]
    after: tuple[str, ...]


class Runner(Protocol):
    """Runs one command to its end."""

    def run(self, argv: tuple[str, ...], seconds: float) -> CommandResult | Missing:
        """Return how it ended; ABSENT if it is not installed. May raise OSError."""
        ...


class BootBackend:
    """One way to change kernel arguments; it plans, `repair.session` acts.

    All that is peculiar to a boot tool stands in its own class: ``name`` is spelt
    as the tool's documentation spells it. ``rollback`` is the command that goes
    back to the deployment before the newest, "" if the tool has none: the words
    are then edited in the boot menu. ``shows_staged`` is false if `read` cannot
    see yet what was asked for, so that a repeated call has to be harmless.
    ``commands`` are the forms of all that `steps` asks for, a regular expression a
    word, a last ``...`` for any number of them: a journal may hold nothing else.
    """

    name: ClassVar[str] = ""
    rollback: ClassVar[str] = ""
    shows_staged: ClassVar[bool] = True
    commands: ClassVar[tuple[tuple[str, ...], ...]] = ()

    def read(self, host: Reader) -> tuple[str, ...] | Missing:
        """Return the words the next boot will be given, exactly as spelt."""
        raise NotImplementedError

    def steps(self, host: Reader, edit: ArgumentEdit) -> tuple[Step, ...]:
        """Return the one transaction that makes ``edit``, with its inverse.

        Raises `CannotFix` with the exact snippet to use by hand where this
        stack cannot be edited from the running host.
        """
        raise NotImplementedError

    def is_pending(self, host: Reader) -> bool:
        """Tell whether something is staged that `read` may not show yet."""
        return False

    def wait_until_idle(
        self,
        runner: Runner,
        sleep: Callable[[float], None],
        tell: Callable[[str | Message], None],
    ) -> Message | None:
        """Wait while somebody else uses the tool; they are never interrupted.

        Returns None once the tool is idle, else why it cannot be waited for.
        """
        return None

    def is_busy(self, answer: CommandResult | Missing) -> bool:
        """Tell whether a call failed only because somebody else uses the tool."""
        return False

    def holds(self, host: Reader, argv: tuple[str, ...]) -> bool | None:
        """Tell whether what a call is to bring about is so; None if only `read` tells.

        It is asked behind a call, and before one is taken back.
        """
        return None


class MenuMaker:
    """A back end whose tool makes the loader's menu out of a configuration.

    `BootBackend.read` is then what is configured, and the menu what will boot.
    """

    def menu(self, host: Reader) -> tuple[str, ...] | Missing:
        """Return the words of the menu's default entry."""
        raise NotImplementedError
