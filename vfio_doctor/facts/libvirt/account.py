"""Whether the account exists that libvirt starts QEMU with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.accounts import Accounts, is_plain_name
from vfio_doctor.facts.base import known
from vfio_doctor.facts.libvirt.conf import QemuConf
from vfio_doctor.facts.qemu_user import USUAL, said_account
from vfio_doctor.host.reader import Missing, Why
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader


class QemuAccount(NamedTuple):
    """The user and the group of qemu.conf, by name, and whether they exist.

    ``user`` is "" if the file neither says nor shows one; then one of the usual
    ones is meant, and ``user_exists`` tells whether there is any. ``group`` is ""
    if the file does not say one. ``line`` is the setting's, 0 for the build's own.
    """

    path: str
    user: str
    user_exists: bool
    group: str
    group_exists: bool
    line: int

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> QemuAccount:
        """Ask the account files, then the name service if it answers."""
        file, accounts = facts[QemuConf], facts[Accounts]
        conf = file.conf
        known(file.text)
        user = said_account(facts)
        group = conf.text("group")
        setting = conf.setting("user") or conf.setting("group")
        there = (
            _is_there(host, "passwd", user, bool(accounts.user(user)))
            if user
            else any(accounts.user(name) for name in USUAL)
        )
        grouped = bool(accounts.group(group))
        held = not group or _is_there(host, "group", group, grouped)
        line = setting.line if setting else 0
        return cls(file.path, user, there, group, held, line)


def _is_there(host: Reader, table: str, name: str, listed: bool) -> bool:
    """Tell whether an account exists; libvirt takes a number for one that does."""
    if listed or name.removeprefix("+").isdigit():
        return True
    if not is_plain_name(name):
        return False
    answer = host.run(("getent", table, name))
    if isinstance(answer, Missing):
        # Without the tool, and in older captures, the files are all there is.
        if answer.why in (Why.ABSENT, Why.NOT_CAPTURED):
            return False
        known(answer)
        return False
    return answer.status == 0
