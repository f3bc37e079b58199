"""What modprobe.d, modules-load.d and kernel arguments say about modules."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from vfio_doctor.facts.base import MissingFact
from vfio_doctor.host.reader import Missing, Why, read_text
from vfio_doctor.parse import modprobe, modules_load
from vfio_doctor.parse.modprobe import ModprobeFile, module_name
from vfio_doctor.parse.modules_load import ModuleList

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.parse.cmdline import CommandLine

COMMAND_LINE = "kernel command line"
_STRAYS = ("/etc/modprobe", "/etc/modules-load")
_LIMIT = 1 << 18


class ModuleOption(NamedTuple):
    """One value given to a module parameter.

    ``value`` is None where the parameter stands bare (true, for a boolean);
    ``source`` is ``path:line`` or ``kernel command line``.
    """

    value: str | None
    source: str


class Note(NamedTuple):
    """A file or line that does not do what its author meant.

    ``kind`` is one of `modprobe.Problem`, or ``wrong-directory`` or
    ``wrong-suffix`` for a whole file (``line`` 0).
    """

    path: str
    line: int
    kind: str
    text: str = ""


class ModuleConfig(NamedTuple):
    """All files in force, in the order in which kmod and systemd read them.

    ``unread`` are files and folders that exist and could not be read: an answer
    "nothing says so" is then not known. ``strays`` are files in folders that
    nothing reads.
    """

    options: tuple[tuple[str, ModprobeFile], ...] = ()
    lists: tuple[tuple[str, ModuleList], ...] = ()
    strays: tuple[tuple[str, str], ...] = ()
    unread: tuple[Missing, ...] = ()

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> ModuleConfig:
        """Read every ``*.conf`` of both folder families."""
        unread: list[Missing] = []
        options = _in_force(host, modprobe.FOLDERS, unread)
        lists = _in_force(host, modules_load.FOLDERS, unread)
        return cls(
            tuple((path, modprobe.parse(text)) for path, text in options),
            tuple((path, modules_load.parse(text)) for path, text in lists),
            tuple(_strays(host)),
            tuple(unread),
        )

    def values(
        self, module: str, parameter: str, line: CommandLine
    ) -> tuple[ModuleOption, ...]:
        """Return every value given to a parameter, the one that wins last.

        kmod appends the options of the command line to those of modprobe.d, and
        the kernel parses the whole text in order.
        """
        raise MissingFact("not written yet")

    def effective(
        self, module: str, parameter: str, line: CommandLine
    ) -> ModuleOption | None:
        """Return the value that a module loaded with ``line`` gets, or None.

        Raises `MissingFact` where a file that may say so cannot be read and the
        command line does not decide.
        """
        raise MissingFact("not written yet")

    def loaded_at_boot(self, module: str, line: CommandLine) -> str | None:
        """Return what has systemd load the module at boot, or None."""
        raise MissingFact("not written yet")

    def blacklisted(self, module: str, line: CommandLine) -> str | None:
        """Return what keeps the module from being loaded at boot, or None."""
        raise MissingFact("not written yet")

    def notes(self, module: str) -> tuple[Note, ...]:
        """Return what seems meant for a module and has no effect."""
        return ()


def _in_force(
    host: Reader, folders: tuple[str, ...], unread: list[Missing]
) -> Iterator[tuple[str, str]]:
    """Yield (path, text) sorted by file name; an earlier folder hides later ones."""
    return iter(())


def _strays(host: Reader) -> Iterator[tuple[str, str]]:
    """Yield (path, text) of files that look like configuration and are not read."""
    return iter(())
