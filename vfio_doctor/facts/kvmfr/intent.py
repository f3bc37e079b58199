"""What on a host shows that somebody wants Looking Glass through KVMFR."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.accounts import Accounts, HumanUser
from vfio_doctor.facts.base import MissingFact, NotApplicable, known, missing_fact
from vfio_doctor.facts.kernel import KernelCmdline
from vfio_doctor.facts.kvmfr.names import CLASS_FOLDER, KVMFR
from vfio_doctor.facts.module_config import OPENRC, ModuleConfig
from vfio_doctor.host.reader import Missing, Why, read_text
from vfio_doctor.messages import say
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.model import Message

RULES = "/etc/udev/rules.d"
DOMAINS = "/etc/libvirt/qemu"
CLIENT_CONFIG = "/etc/looking-glass-client.ini"
OWN_CLIENT_CONFIGS = (
    ".config/looking-glass/client.ini",
    ".looking-glass-client.ini",
)
_LIMIT = 1 << 18
NOBODY_ASKS = say(
    "kvmfr-not-asked-for", "nothing on this host asks for Looking Glass (kvmfr)"
)
ASKED = say("kvmfr-sign-asked", "--with kvmfr")
MADE = say("kvmfr-sign-devices", "the kvmfr module has made {devices}")
LOADED = say("kvmfr-sign-loaded", "the kvmfr module is loaded")
NODE = say("kvmfr-sign-node", "/dev/kvmfr0 exists")
ARGUMENT = say("kvmfr-sign-argument", "kernel argument {argument}")
OPTIONS = say("kvmfr-sign-modprobe", "modprobe.d: {path}")
LISTED = say("kvmfr-sign-modules-load", "modules-load.d: {path}")
STRAY = say("kvmfr-sign-stray", "configuration that nothing reads: {path}")
RULE = say("kvmfr-sign-udev", "udev rule: {path}")
DOMAIN = say("kvmfr-sign-domain", "VM definition: {path}")
CLIENT = say("kvmfr-sign-client", "Looking Glass client configuration: {path}")


class KvmfrIntent(NamedTuple):
    """Each reason as a person would say it; () if nothing shows the wish.

    A VM definition or client configuration that does not name kvmfr is no reason:
    plain shared memory needs no module. ``unseen`` is the first place that could
    not be looked at: without a reason it is not known whether there is one.
    """

    reasons: tuple[Message, ...]
    unseen: MissingFact | None = None

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> KvmfrIntent:
        """Look where the module, its settings and its users leave traces."""
        asked = (ASKED,) if KVMFR in facts.options.areas else ()
        search = _Search(host, facts)
        found = (
            *asked,
            *search.in_use(),
            *search.given(),
            *search.configured(),
            *search.naming(RULES, (".rules", ".conf"), RULE),
            *search.naming(DOMAINS, (".xml",), DOMAIN),
            *search.client(),
        )
        return cls(found, search.unseen)

    def demand(self) -> None:
        """Raise `NotApplicable` if nothing shows the wish.

        Raises `MissingFact` if something may that could not be looked at.
        """
        if self.reasons:
            return
        if self.unseen:
            known(self.unseen)
        raise NotApplicable(NOBODY_ASKS)


class _Search:
    """A look at each place; ``unseen`` is the first that did not let itself be seen."""

    def __init__(self, host: Reader, facts: Facts) -> None:
        self.host = host
        self.facts = facts
        self.unseen: MissingFact | None = None

    def missed(self, why: Missing | MissingFact) -> None:
        if why.why is not Why.ABSENT:
            fact = missing_fact(why) if isinstance(why, Missing) else why
            self.unseen = self.unseen or fact

    def is_there(self, path: str) -> bool:
        seen = self.host.lstat(path)
        if isinstance(seen, Missing):
            self.missed(seen)
        return not isinstance(seen, Missing)

    def names(self, folder: str) -> tuple[str, ...]:
        names = self.host.list(folder)
        if isinstance(names, Missing):
            self.missed(names)
            return ()
        return names

    def names_it(self, path: str) -> bool:
        text = read_text(self.host, path, _LIMIT)
        if isinstance(text, Missing):
            self.missed(text)
            return False
        return KVMFR in text

    def in_use(self) -> Iterator[Message]:
        """Yield what runs; an image that loads the module for everybody is no wish."""
        devices = self.names(CLASS_FOLDER)
        if devices:
            yield MADE.filled(devices=devices)
        elif self.is_there("/sys/module/kvmfr"):
            lists = self.facts[ModuleConfig].lists
            listed = [path for path, it in lists if KVMFR in it.modules]
            if not any(_is_vendors(path) for path in listed):
                yield LOADED
        if self.is_there("/dev/kvmfr0"):
            yield NODE

    def given(self) -> Iterator[Message]:
        """Yield the kernel arguments that name it."""
        try:
            line = self.facts[KernelCmdline].line
        except MissingFact as missing:
            self.missed(missing)
        else:
            words = (w for w in line.words if KVMFR in w and not _forbidding(w))
            yield from (ARGUMENT.filled(argument=word) for word in words)

    def configured(self) -> Iterator[Message]:
        """Yield the configuration files about modules that name it."""
        config = self.facts[ModuleConfig]
        for path, file in config.options:
            meant = KVMFR in file.modules("options") or f"/{KVMFR}" in path
            if meant and not _is_vendors(path):
                yield OPTIONS.filled(path=path)
        for path, listed in config.lists:
            named = {*listed.modules, *(p.text.split()[0] for p in listed.problems)}
            if KVMFR in named and not _is_vendors(path):
                yield LISTED.filled(path=path)
        if KVMFR in config.openrc.names:
            yield LISTED.filled(path=OPENRC)
        for path, text in config.strays:
            if KVMFR in path or KVMFR in text:
                yield STRAY.filled(path=path)
        for unread in config.unread:
            self.missed(unread)

    def naming(
        self, folder: str, endings: tuple[str, ...], what: Message
    ) -> Iterator[Message]:
        """Yield the files of a folder that name kvmfr, by their name or content."""
        for name in self.names(folder):
            path = f"{folder}/{name}"
            if name.endswith(endings) and (KVMFR in name or self.names_it(path)):
                yield what.filled(path=path)

    def client(self) -> Iterator[Message]:
        """Yield the configurations of the Looking Glass client that name it."""
        for path in (CLIENT_CONFIG, *self.own_client_configs()):
            if self.names_it(path):
                yield CLIENT.filled(path=path)

    def own_client_configs(self) -> tuple[str, ...]:
        try:
            user = self.facts[Accounts].user(self.facts[HumanUser].name)
        except MissingFact as missing:
            # That nobody is known is no reading: whose file would it be?
            if missing.hidden:
                self.missed(missing)
            return ()
        if user is None or not user.home.startswith("/"):
            return ()
        return tuple(f"{user.home.rstrip('/')}/{name}" for name in OWN_CLIENT_CONFIGS)


def _is_vendors(path: str) -> bool:
    return path.startswith(("/usr/lib/", "/lib/"))


def _forbidding(word: str) -> bool:
    return word.partition("=")[0].endswith("blacklist")
