"""The node that every user of VFIO opens first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.udev import UdevRules
from vfio_doctor.parse.udev_effects import Assigned, Device, Names, effects
from vfio_doctor.parse.udev_rules import RuleFile, parse_udev_rules
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Missing, Reader, Stat

CONTAINER = "/dev/vfio/vfio"


class VfioContainer(NamedTuple):
    """What `lstat` says of /dev/vfio/vfio; ABSENT with iommufd alone."""

    stat: Stat | Missing

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> VfioContainer:
        """Look at the node."""
        return cls(host.lstat(CONTAINER))


# As udev sees it: a device of the misc driver's.
DEVICE = Device("vfio", "misc", devpath="/devices/virtual/misc/vfio")
NOT_ASKED = ("OWNER", "GROUP")


class ContainerMode(NamedTuple):
    """The rule of udev's that sets the mode of /dev/vfio/vfio; None if none does."""

    mode: Assigned | None

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> ContainerMode:
        """Apply the rule files that name vfio, in udev's order."""
        naming = [one for one in facts[UdevRules].files if "vfio" in one.text]
        files = [(one.path, _modes(one.text)) for one in naming]
        return cls(effects(files, DEVICE, Names({}, {}, None)).mode)


def _modes(text: str) -> RuleFile:
    """Return the rules without accounts, which are not looked up here."""
    rules = parse_udev_rules(text).lines
    kept = (
        rule._replace(terms=tuple(t for t in rule.terms if t.key not in NOT_ASKED))
        for rule in rules
    )
    return RuleFile(tuple(kept))
