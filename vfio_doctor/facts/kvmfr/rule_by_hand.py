"""What to do by hand about the rule of kvmfr: the same as ``--fix`` does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.kvmfr.rule_lines import RULE_FILE
from vfio_doctor.facts.udev import ADMIN_FOLDER
from vfio_doctor.messages import in_order, say

if TYPE_CHECKING:
    from vfio_doctor.facts.kvmfr.rule_lines import KvmfrLine
    from vfio_doctor.model import Message
    from vfio_doctor.places import FilePlace

FOLDER = f"{ADMIN_FOLDER}/"
COMMANDS = say(
    "kvmfr-rule-commands",
    "`sudo udevadm control --reload` and"
    " `sudo udevadm trigger --action=add --subsystem-match=kvmfr`",
)
APPLY_RULES = say("kvmfr-rule-apply", "Run {commands}.", commands=COMMANDS)
CHANGE = say(
    "kvmfr-rule-change",
    "Change the line in {place} to `{rule}`, then run {commands}.",
)
MOVE = say(
    "kvmfr-rule-move",
    "Take the line out of {old} and write `{rule}` into {new}, then run {commands}.",
)
WRITE = say(
    "kvmfr-rule-write", "Write the line `{rule}` into {new}, then run {commands}."
)

REMOVE = say("kvmfr-rule-remove", "Take the line out of {places}, then run {commands}.")
FROM_COPY = say(
    "kvmfr-rule-remove-from-copy",
    "Run `sudo cp {path} {folder}`, take the line out of the copy, which then counts in"
    " place of the package's file, and run {commands}.",
)
MOVE_FROM_COPY = say(
    "kvmfr-rule-move-from-copy",
    "Run `sudo cp {path} {folder}`, take the line out of the copy, which then counts in"
    " place of the package's file, write `{rule}` into {new}, and run {commands}.",
)
UNMASK = say(
    "kvmfr-rule-unmask",
    "Run `sudo rm {path}`: it is a link to /dev/null, which switches off the file of"
    " that name in /usr/lib.",
)
AGREE = say(
    "kvmfr-rule-agree",
    "Agree with them on a device that is to be yours, or have the module make another:"
    " static_size_mb takes a size for each, with commas between.",
)
SEVERAL_OWNERS = say(
    "kvmfr-rule-several-owners",
    "the devices are those of {people}, and only they know which one is to be yours",
)


def changed(place: FilePlace, rule: str) -> Message:
    """Return that a line is to be another one."""
    return CHANGE.filled(place=str(place), rule=rule, commands=COMMANDS)


def taken_out(lines: tuple[KvmfrLine, ...]) -> Message:
    """Return how the lines that undo a good rule go out of their files."""
    ours = tuple(str(line.place) for line in lines if line.is_ours)
    removed = REMOVE.filled(places=ours, commands=COMMANDS) if ours else None
    copied = (
        FROM_COPY.filled(path=path, folder=FOLDER, commands=COMMANDS)
        for path in dict.fromkeys(ln.file.path for ln in lines if not ln.is_ours)
    )
    return in_order(removed, *copied)


def written(rule: str, place: FilePlace | None, masked: bool) -> Message:
    """Return how a rule comes into `RULE_FILE`, in place of another or anew."""
    told = _written(rule, place.path if place else RULE_FILE)
    return in_order(UNMASK.filled(path=RULE_FILE), told) if masked else told


def _written(rule: str, old: str) -> Message:
    # A file of the same name takes the place of a package's.
    if old.rpartition("/")[2] == RULE_FILE.rpartition("/")[2]:
        return WRITE.filled(rule=rule, new=RULE_FILE, commands=COMMANDS)
    told = {"rule": rule, "new": RULE_FILE}
    if old.startswith(FOLDER):
        return MOVE.filled(old=old, commands=COMMANDS, **told)
    return MOVE_FROM_COPY.filled(path=old, folder=FOLDER, commands=COMMANDS, **told)
