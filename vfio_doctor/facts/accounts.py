"""Accounts of the host, the person who runs the VM, and QEMU's own account."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from vfio_doctor.facts.base import MissingFact

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader


class User(NamedTuple):
    """One account: its name, uid, primary gid and where it was read."""

    name: str
    uid: int
    gid: int
    source: str


class Group(NamedTuple):
    """One group: its name, gid, listed members and where it was read."""

    name: str
    gid: int
    members: tuple[str, ...]
    source: str


class Accounts(NamedTuple):
    """Users and groups of ``/etc`` first, then of ``/usr/lib`` (nss-altfiles)."""

    users: tuple[User, ...]
    groups: tuple[Group, ...]

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> Accounts:
        """Read the account files."""
        raise MissingFact("accounts: not read yet")


class HumanUser(NamedTuple):
    """The person who will run the VM (DESIGN section 5); never root.

    ``gids`` are the primary and all supplementary groups; ``how`` says how the
    person was found.
    """

    name: str
    uid: int
    gids: tuple[int, ...]
    how: str

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> HumanUser:
        """Find the person."""
        raise MissingFact("the user: not looked for yet")


class QemuUser(NamedTuple):
    """The account that libvirt's system instance starts QEMU with.

    ``assumed`` is true where ``/etc/libvirt/qemu.conf`` cannot be read and the
    usual account was taken instead; ``source`` says where it comes from.
    """

    name: str
    uid: int
    gids: tuple[int, ...]
    group: str
    assumed: bool
    source: str

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> QemuUser:
        """Find the account."""
        raise MissingFact("QEMU's account: not looked for yet")
