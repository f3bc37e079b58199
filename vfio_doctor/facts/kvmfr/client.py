"""Which shared memory Looking Glass's client opens, as its settings say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.accounts import Accounts, HumanUser
from vfio_doctor.facts.base import MissingFact, known
from vfio_doctor.facts.kvmfr.intent import CLIENT_CONFIG, OWN_CLIENT_CONFIGS
from vfio_doctor.host.reader import Missing, Why, read_text
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader

# Newer clients have the second, and take the first as well.
OPTIONS = (("app", "shmfile"), ("lgmp", "shmdevice"))
LARGEST = 1 << 16
OFF = ("no", "false", "0", "off")
HERE = ("127.0.0.1", "localhost", "::1")
# What the client takes if nothing is said, and libvirt's first.
SPICE_PORT = 5900


class ClientSetting(NamedTuple):
    """A line that says which memory the client opens."""

    path: str
    line: int
    raw: str
    device: str


class ClientSettings(NamedTuple):
    """The setting that counts, None if no file has one.

    ``unread`` are files that may have one that counts instead.
    """

    setting: ClientSetting | None
    unread: tuple[Missing, ...] = ()

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> ClientSettings:
        """Read the system's file and the person's; the last one that says it counts."""
        setting, unread = None, []
        for path, text in _texts(host, facts):
            if isinstance(text, str):
                setting = next(reversed(settings(path, text)), setting)
            else:
                unread.append(text)
        return cls(setting, tuple(unread))


def _texts(host: Reader, facts: Facts) -> Iterator[tuple[str, str | Missing]]:
    """Yield the files that may have settings, the one that counts last."""
    for path in _files(facts):
        text = read_text(host, path, LARGEST)
        if isinstance(text, str) or text.why not in (Why.ABSENT, Why.NOT_CAPTURED):
            yield path, text


def _files(facts: Facts) -> Iterator[str]:
    yield CLIENT_CONFIG
    try:
        user = facts[Accounts].user(facts[HumanUser].name)
    except MissingFact as missing:
        if missing.why in (Why.ABSENT, Why.NOT_CAPTURED):
            return
        # Whose settings win is not known, so neither is what they say.
        raise
    if user is not None and user.home.startswith("/"):
        # The client reads the folder of settings last.
        for name in reversed(OWN_CLIENT_CONFIGS):
            yield f"{user.home.rstrip('/')}/{name}"


def settings(
    path: str, text: str, options: tuple[tuple[str, str], ...] = OPTIONS
) -> list[ClientSetting]:
    """Return the lines of an INI file that have one of some options."""
    section, found = "", []
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1].strip().lower()
        key, equals, value = line.partition("=")
        if equals and (section, key.strip().lower()) in options and value.strip():
            found.append(ClientSetting(path, number, line, value.strip()))
    return found


class ClientSpice(NamedTuple):
    """Which SPICE server the client connects to; None is what no file says.

    ``host`` is an address, or the path of a socket.
    """

    enable: ClientSetting | None = None
    host: ClientSetting | None = None
    port: ClientSetting | None = None

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> ClientSpice:
        """Read the files that `ClientSettings` reads; the last one counts here too."""
        found: dict[str, ClientSetting] = {}
        for path, held in _texts(host, facts):
            text = known(held)
            for name in cls._fields:
                for said in settings(path, text, (("spice", name),)):
                    found[name] = said
        return cls(**found)

    @property
    def connects(self) -> bool:
        """Tell whether it connects to a port of this host."""
        off = self.enable is not None and self.enable.device.lower() in OFF
        where = self.host.device if self.host else HERE[0]
        return not off and where in HERE
