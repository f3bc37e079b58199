"""Have AppArmor take the profiles that libvirt makes for virtual machines."""

from __future__ import annotations

from vfio_doctor.api import (
    Actor,
    AppArmor,
    Change,
    EditLine,
    Facts,
    FilePlace,
    Finding,
    Fix,
    Generated,
    Iterator,
)

COMMENT = "# Rules of your own for all of libvirt's virtual machines"


class CompleteLibvirtProfile(Fix):
    """Creates the file that libvirt's profiles include, or ends a rule with a comma.

    libvirt makes the profile of a VM anew when it starts, so that nothing is loaded.
    """

    id = "complete-libvirt-profile"
    solves = ("libvirt-profile-refused",)
    summary = "Have AppArmor take the profiles of virtual machines"

    def propose(self, finding: Finding, facts: Facts) -> Iterator[Change]:
        """Yield the missing file's line, or the rule with its comma."""
        if finding.who_acts is not Actor.TOOL:
            return
        facts[Generated].refuse()
        for file, line, path in facts[AppArmor].absent:
            if finding.place == FilePlace(file, line):
                own = f"{path}/own" if path.endswith(".d") else path
                yield EditLine(own, "", COMMENT)
        for file, line, raw in filter(None, (facts[AppArmor].unfinished,)):
            if finding.place == FilePlace(file, line):
                yield EditLine(file, raw, _finished(raw))


def _finished(raw: str) -> str:
    """Return a rule with its comma, which stands before a comment."""
    rule, mark, comment = raw.partition(" #")
    return f"{rule.rstrip()},{mark}{comment}"
