"""The udev rules that name kvmfr, each with the file that it stands in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.kvmfr.names import KVMFR
from vfio_doctor.facts.udev import ADMIN_FOLDER, UdevRules
from vfio_doctor.parse.udev_rules import has_assignment
from vfio_doctor.places import FilePlace
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.facts.udev import UdevFile
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.parse.udev_rules import Rule

# Where the good rule is written.
RULE_FILE = f"{ADMIN_FOLDER}/70-kvmfr.rules"
ACCESS = frozenset({"OWNER", "GROUP", "MODE"})


class KvmfrLine(NamedTuple):
    """A rule that names kvmfr, and the file that it stands in."""

    file: UdevFile
    rule: Rule

    @property
    def place(self) -> FilePlace:
        """Return the place that findings about this rule have."""
        return FilePlace(self.file.path, self.rule.last)

    @property
    def names_owner_in_etc(self) -> bool:
        """Tell whether the user of this line can be replaced in place."""
        return self.is_ours and has_assignment(self.rule.raw, "OWNER")

    @property
    def is_ours(self) -> bool:
        """Tell whether the administrator may edit the file."""
        return self.file.path.startswith(f"{ADMIN_FOLDER}/")

    @property
    def gives_access(self) -> bool:
        """Tell whether it says who may open the node, or cannot be read."""
        return bool(self.rule.problem) or any(
            term.key in ACCESS or (term.key, term.value) == ("TAG", "uaccess")
            for term in self.rule.terms
            if not term.is_match
        )


def kvmfr_lines(facts: Facts) -> tuple[KvmfrLine, ...]:
    """Return every rule in force whose text names kvmfr."""
    return tuple(
        KvmfrLine(file, rule)
        for file in facts[UdevRules].files
        for rule in file.rules.lines
        if KVMFR in rule.raw
    )


class UnconditionalRules(NamedTuple):
    """The administrator's rules beside kvmfr's that count for every device.

    So it is if a rule was broken into two lines. In a file with a GOTO the condition
    may stand there. ``places`` are those of ``lines``.
    """

    lines: tuple[KvmfrLine, ...]
    places: frozenset[FilePlace]

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> UnconditionalRules:
        """Look at the files that name kvmfr."""
        lines = tuple(
            KvmfrLine(file, rule)
            for file in facts[UdevRules].files
            if KVMFR in file.text and file.path.startswith(f"{ADMIN_FOLDER}/")
            if not any(t.key == "GOTO" for rule in file.rules.lines for t in rule.terms)
            for rule in file.rules.lines
            if not rule.problem and _sets_access(rule)
        )
        return cls(lines, frozenset(line.place for line in lines))


def _sets_access(rule: Rule) -> bool:
    """Tell whether a rule sets owner, group or mode, and asks for nothing."""
    asks = any(term.is_match for term in rule.terms)
    return not asks and any(term.key in ACCESS for term in rule.terms)
