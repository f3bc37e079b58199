"""Why a udev rule does not do what it says, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.messages import say
from vfio_doctor.parse.udev_effects import Oddity
from vfio_doctor.parse.udev_rules import Fault, FaultKind

if TYPE_CHECKING:
    from vfio_doctor.model import Message
    from vfio_doctor.parse.systemd_versions import Systemd
    from vfio_doctor.parse.udev_effects import Remark

IDLE_TAG = say(
    "kvmfr-rule-late-and-idle",
    "The tag uaccess in this rule does nothing for /dev/{node}: the file is read after"
    " 73-seat-late.rules. {user} gets in without it, so nothing has to be done.",
)
_OF_NAMES = {
    (Oddity.UNKNOWN_NAME, "OWNER"): say("udev-no-user", "no account is called {name}"),
    (Oddity.UNKNOWN_NAME, "GROUP"): say("udev-no-group", "no group is called {name}"),
    (Oddity.NOT_SYSTEM, "OWNER"): say(
        "udev-user-not-system", "{name} is not a system user"
    ),
    (Oddity.NOT_SYSTEM, "GROUP"): say(
        "udev-group-not-system", "{name} is not a system group"
    ),
}
_OF_SYNTAX = {
    FaultKind.UNFINISHED: say(
        "udev-rule-unfinished", "the file ends inside this rule (backslash at the end)"
    ),
    FaultKind.TOO_LONG: say("udev-rule-too-long", "the rule is too long"),
    FaultKind.NOT_A_TERM: say(
        "udev-rule-not-a-term", "this is not a key with a quoted value: {text}"
    ),
    FaultKind.UNKNOWN_KEY: say("udev-rule-unknown-key", "there is no key {key}"),
    FaultKind.NEEDS_ATTRIBUTE: say(
        "udev-rule-needs-attribute", "{key} needs an attribute in braces"
    ),
    FaultKind.TAKES_NO_ATTRIBUTE: say(
        "udev-rule-takes-no-attribute", "{key} takes no attribute"
    ),
    FaultKind.UNKNOWN_ATTRIBUTE: say(
        "udev-rule-unknown-attribute", "there is no {key}"
    ),
    FaultKind.PREFIX_IN_ASSIGNMENT: say(
        "udev-rule-prefix-in-assignment",
        "the prefix i cannot stand in an assignment to {key}",
    ),
    FaultKind.NAME_OF_A_NODE: say(
        "kvmfr-rule-fault-name",
        "{key} renames network interfaces only, and takes no {text}",
    ),
    FaultKind.UNKNOWN_BUILTIN: say(
        "kvmfr-rule-fault-builtin", "{key} names a built-in that udev does not have"
    ),
    FaultKind.FIXED_PROPERTY: say(
        "kvmfr-rule-fault-property", "{key} cannot be set by a rule"
    ),
    FaultKind.WRONG_OPERATOR: say(
        "udev-rule-wrong-operator", "{key} does not take the operator {text}"
    ),
}
_PREFIX = say("udev-rule-prefix", "this systemd does not know the prefix i")


def remark_reason(remark: Remark) -> Message:
    """Return why the line does not do what it says, as a clause."""
    if remark.fault:
        return _of_syntax(remark.fault)
    if remark.kind is Oddity.PREFIX:
        return _PREFIX
    # A deprecated name is one that is not a system account's, too.
    unknown = remark.kind is Oddity.UNKNOWN_NAME
    kind = Oddity.UNKNOWN_NAME if unknown else Oddity.NOT_SYSTEM
    return _OF_NAMES[kind, remark.key].filled(name=remark.value)


def what_udev_does(systemd: Systemd | None, remark: Remark) -> Message:
    """Return what this udev makes of a line, and why."""
    reason = remark_reason(remark)
    if remark.kind is Oddity.DEPRECATED:
        return say(
            "kvmfr-rule-deprecated",
            "The udev rule gives the device to {name}. systemd {systemd} still does"
            " that although {reason}; a coming version will not.",
            name=remark.value,
            systemd=str(systemd),
            reason=reason,
        )
    if remark.kind is Oddity.DROPPED_OR_DEPRECATED:
        return say(
            "kvmfr-rule-dropped-or-deprecated",
            "The udev rule gives the device to {name}, and {reason}. Early releases of"
            " systemd {systemd} drop such a rule as a whole; later ones announce that"
            " a coming version will. Which release this is cannot be told here.",
            name=remark.value,
            systemd=str(systemd),
            reason=reason,
        )
    if not remark.dropped:
        return say(
            "kvmfr-rule-key-left-out",
            "udev leaves {key} out of this rule: {reason}.",
            key=remark.key,
            reason=reason,
        )
    if systemd is None:
        return say(
            "kvmfr-rule-dropped", "udev drops the whole rule: {reason}.", reason=reason
        )
    return say(
        "kvmfr-rule-dropped-by",
        "udev (systemd {systemd}) drops the whole rule: {reason}.",
        systemd=str(systemd),
        reason=reason,
    )


def remark_unsure(remark: Remark) -> Message:
    """Return that it is not known what udev makes of a line, as a clause."""
    return say(
        "kvmfr-rule-unsure",
        "{place}: {reason}; what this host's udev makes of it is not known",
        place=f"{remark.path}:{remark.line}",
        reason=remark_reason(remark),
    )


def _of_syntax(fault: Fault) -> Message:
    said = _OF_SYNTAX[fault.kind]
    given = {"key": fault.key, "text": fault.text}
    used = {
        name: text for name, text in given.items() if f"{{{name}}}" in said.template
    }
    return said.filled(**used) if used else said
