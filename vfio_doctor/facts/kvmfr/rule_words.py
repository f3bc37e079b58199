"""The words of a good udev rule: names that may stand in it, and QEMU's group."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.accounts import Accounts, HumanUser
from vfio_doctor.facts.base import CannotFix, MissingFact
from vfio_doctor.facts.guest import LookingGlassGuest
from vfio_doctor.facts.kvmfr.access import KvmfrAccess
from vfio_doctor.facts.kvmfr.names import KVMFR
from vfio_doctor.facts.kvmfr.rules import KvmfrRules
from vfio_doctor.facts.qemu_user import QemuUser
from vfio_doctor.messages import say
from vfio_doctor.parse.systemd_versions import is_system

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts

MODE = "0660"
NAME_SIGNS = frozenset("_.@-")
# LOGIN_NAME_MAX of Linux, without the byte behind the name.
LONGEST_NAME = 255


def rule_of(*terms: str) -> str:
    """Return a rule for kvmfr devices that does no more than these terms say."""
    return ", ".join([f'SUBSYSTEM=="{KVMFR}"', *terms, f'MODE="{MODE}"'])


def plain_name(name: str) -> str:
    """Return a name that means itself in a rule; refuse others.

    udev puts values in for ``%`` and ``$``, a quote would end the value, and
    digits alone are a uid, whatever account has them for a name.
    """
    means_more = name.isdigit() or len(name) > LONGEST_NAME
    signs = frozenset(name) - NAME_SIGNS
    plain = name.isascii() and signs and all(sign.isalnum() for sign in signs)
    if means_more or not plain:
        raise CannotFix(
            say(
                "kvmfr-rule-name-not-plain",
                "'{name}' is not a name that may stand in a udev rule",
                name=name,
            )
        )
    return name


KVM_GROUP = "kvm"


def _in_guest(facts: Facts) -> bool:
    """Tell whether another host made the device; a group for QEMU serves there too."""
    try:
        return bool(facts[LookingGlassGuest].address)
    except MissingFact:
        return False


def qemu_group(facts: Facts) -> str:
    """Return a group that lets QEMU in and that this systemd accepts.

    Raises `CannotFix` if there is none; `MissingFact` without libvirt.
    """
    accounts, systemd = facts[Accounts], facts[KvmfrRules].systemd
    if _in_guest(facts) and accounts.group(KVM_GROUP):
        # A guest starts no VM: its client alone opens the device.
        return KVM_GROUP
    name = facts[KvmfrAccess].group or facts[QemuUser].group
    group = accounts.group(name)
    if group is None:
        raise CannotFix(
            say(
                "kvmfr-rule-qemu-group-unknown",
                "QEMU's group '{group}' is in no account file of this host",
                group=name,
            )
        )
    if is_system(group.gid) or (systemd is not None and systemd.means_people_well):
        return plain_name(name)
    kvm = accounts.group(KVM_GROUP)
    if facts[QemuUser].uid == facts[HumanUser].uid and kvm is not None:
        return KVM_GROUP
    raise CannotFix(
        say(
            "kvmfr-rule-qemu-group-not-system",
            "QEMU's group {group} is not a system group, and systemd does not take"
            " such a group; add QEMU's account to the group kvm",
            group=name,
        )
    )
