"""What the udev rules would do if some of their lines were other ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.kvmfr.access import KvmfrAccess, ruled_by
from vfio_doctor.facts.kvmfr.rules import KvmfrRules
from vfio_doctor.facts.udev import UdevRules
from vfio_doctor.parse.udev_effects import effects
from vfio_doctor.parse.udev_rules import RuleFile, parse_udev_rules
from vfio_doctor.places import FilePlace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.facts.udev import UdevFile
    from vfio_doctor.parse.udev_effects import Effects
    from vfio_doctor.parse.udev_rules import Rule

FOR_ALL = 0o002


def opens_to_all(effects_on_node: Effects) -> bool:
    """Tell whether the rules let every account write to the node."""
    mode = effects_on_node.mode
    return mode is not None and bool(int(mode.value, 8) & FOR_ALL)


def serves(facts: Facts, new: Mapping[FilePlace, str]) -> bool:
    """Tell whether the rules, some lines replaced, let both in and nobody else.

    That is asked for each device that is the person's, or nobody's in particular.
    A line that udev has something to say about does not serve.
    """
    rules = facts[KvmfrRules]
    files = [(file.path, _with(file, new)) for file in facts[UdevRules].files]
    for device in rules.nodes:
        if facts[KvmfrAccess].is_anothers(device.kernel):
            continue
        made = effects(files, device, rules.names)
        access = ruled_by(facts, device.kernel, made)
        if opens_to_all(made) or not (access.human and access.qemu):
            return False
        if any(FilePlace(r.path, r.line) in new for r in made.remarks):
            return False
    return True


def _with(file: UdevFile, new: Mapping[FilePlace, str]) -> RuleFile:
    lines: list[Rule] = []
    for rule in file.rules.lines:
        text = new.get(FilePlace(file.path, rule.last))
        made = [rule] if text is None else parse_udev_rules(text).lines
        lines.extend(one._replace(first=rule.first, last=rule.last) for one in made)
    return RuleFile(tuple(lines))
