"""Which udev rule files are in force, and which systemd reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from vfio_doctor.facts.base import MissingFact

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Missing, Reader
    from vfio_doctor.parse.udev_rules import RuleFile


class UdevFile(NamedTuple):
    """One rule file in force: its path, text and what was parsed of it.

    ``rules`` is `Missing` where the file cannot be read.
    """

    path: str
    text: str
    rules: RuleFile | Missing


class UdevRules(NamedTuple):
    """The rule files in force, in the order udev reads them.

    ``hidden`` are files that a file of the same name in a higher directory
    hides, ``unread`` files in a rules directory that udev never reads since
    their name does not end in ``.rules``, with their texts.
    """

    files: tuple[UdevFile, ...]
    hidden: tuple[str, ...]
    unread: tuple[tuple[str, str], ...]

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> UdevRules:
        """Read the rule directories."""
        raise MissingFact("udev rules: not read yet")


class SystemdVersion(NamedTuple):
    """The major version of the installed systemd, and where it was read."""

    number: int
    source: str

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> SystemdVersion:
        """Read the version."""
        raise MissingFact("systemd version: not read yet")
