"""The account that libvirt's system instance starts QEMU with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.accounts import Accounts
from vfio_doctor.facts.base import MissingFact, missing_fact
from vfio_doctor.facts.libvirt.conf import QemuConf
from vfio_doctor.facts.nixos import Generated
from vfio_doctor.host.reader import Missing, Why
from vfio_doctor.messages import say
from vfio_doctor.parse.whole_number import ID_DIGITS, whole
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.model import Message
    from vfio_doctor.parse.libvirt_conf import LibvirtConf

USUAL = ("libvirt-qemu", "qemu", "qemu-libvirtd")
# Debian and Ubuntu build libvirt with the group kvm; elsewhere it is the account's.
USUAL_GROUP = {"libvirt-qemu": "kvm"}
NO_ACCOUNT = say(
    "qemu-account-missing",
    "this host has no account for QEMU (libvirt is not installed)",
)
STRANGER = say(
    "qemu-account-in-no-file", "{path}: user {name} is in no account file of this host"
)
QEMU_ACCOUNT = say("qemu-account", "QEMU's account")
UNSAID = say("qemu-account-usual", "the usual account ({path} does not say)")
UNREAD = say("qemu-account-usual-unread", "the usual account ({why})")


class QemuUser(NamedTuple):
    """The account that libvirt's system instance starts QEMU with.

    ``assumed`` is true where qemu.conf neither says nor shows the account, or
    cannot be read, and the usual one was taken; ``source`` says where it comes
    from. ``gids`` are what libvirt gives the process: ``group``, the account's own
    group, and those that list it as member (virGetGroupList).
    """

    name: str
    uid: int
    gids: tuple[int, ...]
    group: str
    assumed: bool
    source: str | Message

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> QemuUser:
        """Read qemu.conf, else take the usual account.

        Raises `MissingFact` where the host has no account for QEMU, or qemu.conf
        names one that does not exist.
        """
        accounts = facts[Accounts]
        path, text, settings = facts[QemuConf]
        name = said_account(facts)
        assumed = not name
        name = name or _usual(accounts, text)
        name, uid, primary = _account(accounts, name, path)
        group = settings.text("group") or settings.default("group")
        gid, group = _group(accounts, group or USUAL_GROUP.get(name, ""), primary)
        own = {primary} if primary >= 0 else set()
        gids = tuple(sorted({*accounts.gids(name, gid), gid, *own}))
        source = _why_assumed(path, text) if assumed else path
        return cls(name, uid, gids, group, assumed, source)

    @classmethod
    def looked_for(cls, facts: Facts) -> None:
        """Raise `MissingFact` if the account is not known because of a reading."""
        try:
            facts[cls]
        except MissingFact as missing:
            if missing.why not in (None, Why.ABSENT):
                raise


def said_account(facts: Facts) -> str:
    """Return the account that qemu.conf says or shows, "" for the usual one."""
    _, text, settings = facts[QemuConf]
    name = settings.text("user") or shown_account(settings)
    # NixOS starts QEMU as root unless its module is told otherwise.
    if not name and facts[Generated].yes:
        if isinstance(text, Missing) and text.why is not Why.ABSENT:
            raise missing_fact(text)
        return "root"
    return name


def shown_account(conf: LibvirtConf) -> str:
    """Return the account that the commented-out line shows as the build's own.

    Samples of before 8.0 say root, whatever the build.
    """
    shown = conf.default("user")
    return "" if shown == "root" else shown


def _usual(accounts: Accounts, conf: str | Missing) -> str:
    for name in USUAL:
        if accounts.user(name) is not None:
            return name
    # It may name another.
    if isinstance(conf, Missing) and conf.why not in (Why.ABSENT, Why.NOT_CAPTURED):
        raise missing_fact(conf)
    raise MissingFact(NO_ACCOUNT)


def _account(accounts: Accounts, name: str, path: str) -> tuple[str, int, int]:
    """Resolve as libvirt does: a name first, then a number; ``+N`` is a number."""
    user = None if name.startswith("+") else accounts.user(name)
    number = name.removeprefix("+")
    uid = whole(number, ID_DIGITS)
    if user is None and uid is not None:
        user = accounts.user_by_uid(uid)
        if user is None:
            return number, uid, -1
    if user is None:
        raise MissingFact(STRANGER.filled(path=path, name=name))
    return user.name, user.uid, user.gid


def _group(accounts: Accounts, name: str, primary: int) -> tuple[int, str]:
    group = None if name.startswith("+") else accounts.group(name)
    number = name.removeprefix("+")
    gid = whole(number, ID_DIGITS)
    if group is None and gid is not None:
        group = accounts.group_by_gid(gid)
        if group is None:
            return gid, number
    group = group or accounts.group_by_gid(primary)
    return (group.gid, group.name) if group else (primary, str(primary))


def _why_assumed(path: str, text: str | Missing) -> Message:
    if isinstance(text, Missing):
        return UNREAD.filled(why=text.message)
    return UNSAID.filled(path=path)
