"""Accounts of the host, the person who runs the VM, and QEMU's own account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.base import MissingFact, known, missing_fact
from vfio_doctor.host.reader import Missing, Why, read_text
from vfio_doctor.messages import say
from vfio_doctor.model import Evidence
from vfio_doctor.parse.accounts import GroupLine, PasswdLine, parse_group, parse_passwd
from vfio_doctor.parse.whole_number import ID_DIGITS, whole
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.model import Message

# nss-altfiles: image-based hosts keep the image's accounts below /usr/lib.
PASSWD_FILES = ("/etc/passwd", "/usr/lib/passwd")
GROUP_FILES = ("/etc/group", "/usr/lib/group")
SEAT = "/run/systemd/seats/seat0"
# systemd's ranges (docs/UIDS-GIDS.md): people, and users of systemd-homed; from
# 60514 on greeters and dynamic users; above 65535 directory services.
FIRST_PERSON = 1000
NOT_PEOPLE = range(60514, 65536)
WHO_RUNS = say("who-runs-the-vm", "who will run the VM")
PERSON = say("person-and-how", "{name} ({how})")
NOBODY = say(
    "vm-user-unknown",
    "who will run the VM is not known: give the account with --user NAME",
)
NO_ACCOUNT = say("vm-user-no-account", "--user {asked}: this host has no such account")
IS_ROOT = say(
    "vm-user-is-root",
    "--user {asked}: root is not the person at the desktop: give the account that"
    " runs the VM",
)
CALLED_SUDO = say("vm-user-called-sudo", "who called sudo")
CALLED_PKEXEC = say("vm-user-called-pkexec", "who called pkexec")
STARTED = say("vm-user-started-this", "who started vfio-doctor")
AT_SEAT = say("vm-user-at-the-seat", "owner of the active session on seat0")


class User(NamedTuple):
    """One account: its name, uid, primary gid, home and where it was read."""

    name: str
    uid: int
    gid: int
    home: str
    source: str


class Group(NamedTuple):
    """One group: its name, gid, listed members and where it was read."""

    name: str
    gid: int
    members: tuple[str, ...]
    source: str

    @property
    def in_etc(self) -> bool:
        """Whether usermod finds it: it does not look into /usr/lib (nss-altfiles)."""
        return self.source == GROUP_FILES[0]


class Accounts(NamedTuple):
    """Users and groups of ``/etc`` first, then of ``/usr/lib`` (nss-altfiles).

    Accounts that only another service knows (LDAP, systemd-homed) are not here.
    """

    users: tuple[User, ...]
    groups: tuple[Group, ...]

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> Accounts:
        """Read the account files; raise `MissingFact` where none can be read."""
        users = [User(*line, path) for path, line in _users(host)]
        groups = [Group(*line, path) for path, line in _groups(host)]
        return cls(tuple(users), tuple(groups))

    def user(self, name: str) -> User | None:
        """Return the account of that name, or None."""
        return next((user for user in self.users if user.name == name), None)

    def user_by_uid(self, uid: int) -> User | None:
        """Return the first account with that uid, or None."""
        return next((user for user in self.users if user.uid == uid), None)

    def group(self, name: str) -> Group | None:
        """Return the group of that name, or None."""
        return next((group for group in self.groups if group.name == name), None)

    def group_by_gid(self, gid: int) -> Group | None:
        """Return the first group with that gid, or None."""
        return next((group for group in self.groups if group.gid == gid), None)

    def gids(self, name: str, primary: int) -> tuple[int, ...]:
        """Return the primary and all supplementary groups of an account."""
        listed = {group.gid for group in self.groups if name in group.members}
        return tuple(sorted(listed | {primary}))


def _users(host: Reader) -> Iterator[tuple[str, PasswdLine]]:
    for path, text in _texts(host, PASSWD_FILES):
        for line in parse_passwd(text):
            yield path, line


def _groups(host: Reader) -> Iterator[tuple[str, GroupLine]]:
    for path, text in _texts(host, GROUP_FILES):
        for line in parse_group(text):
            yield path, line


def _texts(host: Reader, paths: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for path in paths:
        text = read_text(host, path)
        if isinstance(text, str):
            yield path, text
        elif path == paths[0] or text.why is not Why.ABSENT:
            raise missing_fact(text)


class ActiveSeat(NamedTuple):
    """Whose session is active on seat0, as sd_seat_get_active(3) reads it.

    ``uid`` is -1 where nobody's is.
    """

    uid: int

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> ActiveSeat:
        """Read logind's seat file; raise `MissingFact` where there is none."""
        text = known(read_text(host, SEAT))
        for line in text.splitlines():
            key, _, value = line.partition("=")
            uid = whole(value, ID_DIGITS) if key == "ACTIVE_UID" else None
            if uid is not None:
                return cls(uid)
        return cls(-1)


class HumanUser(NamedTuple):
    """The person who will run the VM (DESIGN section 5); never root.

    ``gids`` are the primary and all supplementary groups by the account files;
    ``how`` says how the person was found, an option as it was given.
    """

    name: str
    uid: int
    gids: tuple[int, ...]
    how: str | Message

    @property
    def row(self) -> Evidence:
        """Return who the person is and how that is known, as evidence."""
        return Evidence(WHO_RUNS, PERSON.filled(name=self.name, how=self.how))

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> HumanUser:
        """Find the person; raise `MissingFact` that asks for ``--user``."""
        asked = facts.options.user
        accounts = facts[Accounts]
        if asked:
            return cls._of(_asked(host, accounts, asked), accounts, f"--user {asked}")
        for uid, how in _candidates(host, facts):
            user = accounts.user_by_uid(uid) or _from_nss(host, str(uid))
            if user is not None:
                return cls._of(user, accounts, how)
        raise MissingFact(NOBODY)

    @classmethod
    def _of(cls, user: User, accounts: Accounts, how: str | Message) -> HumanUser:
        gids = accounts.gids(user.name, user.gid)
        return cls(user.name, user.uid, gids, how)


def _asked(host: Reader, accounts: Accounts, asked: str) -> User:
    user, uid = accounts.user(asked), whole(asked, ID_DIGITS)
    if user is None and uid is not None:
        user = accounts.user_by_uid(uid)
    user = user or _from_nss(host, asked)
    if user is None:
        raise MissingFact(NO_ACCOUNT.filled(asked=asked))
    if user.uid == 0:
        raise MissingFact(IS_ROOT.filled(asked=asked))
    return user


def _candidates(host: Reader, facts: Facts) -> Iterator[tuple[int, Message]]:
    caller = host.caller()
    if caller.sudo_uid > 0:
        yield caller.sudo_uid, CALLED_SUDO
    if caller.pkexec_uid > 0:
        yield caller.pkexec_uid, CALLED_PKEXEC
    if caller.uid > 0:
        yield caller.uid, STARTED
    try:
        uid = facts[ActiveSeat].uid
    except MissingFact:
        return
    if uid >= FIRST_PERSON and uid not in NOT_PEOPLE:
        yield uid, AT_SEAT


def _from_nss(host: Reader, key: str) -> User | None:
    """Ask the name service: accounts of LDAP or systemd-homed are in no file."""
    if not is_plain_name(key):
        return None
    argv = ("getent", "passwd", key)
    answer = host.run(argv)
    if isinstance(answer, Missing) or answer.status != 0:
        return None
    lines = parse_passwd(answer.stdout)
    return User(*lines[0], " ".join(argv)) if lines else None


def is_plain_name(name: str) -> bool:
    """Tell whether a name from a file or the command line may go to ``getent``."""
    bare = name.translate(str.maketrans("", "", "_.@-"))
    fits = name.isascii() and (bare.isalnum() or not bare) and len(name) <= 64
    return fits and name[:1] not in ("", "-", ".", "@")
