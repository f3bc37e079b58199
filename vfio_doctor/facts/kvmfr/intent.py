"""What on a host shows that somebody wants Looking Glass through KVMFR."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.accounts import Accounts, HumanUser
from vfio_doctor.facts.base import MissingFact, NotApplicable
from vfio_doctor.facts.kernel import KernelCmdline
from vfio_doctor.facts.kvmfr.names import CLASS_FOLDER, KVMFR
from vfio_doctor.facts.module_config import ModuleConfig
from vfio_doctor.host.reader import Missing, read_text
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

    What cannot be read is no reason. A VM definition or client configuration that
    does not name kvmfr is none either: plain shared memory needs no module.
    """

    reasons: tuple[Message, ...]

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> KvmfrIntent:
        """Look where the module, its settings and its users leave traces."""
        asked = (ASKED,) if KVMFR in facts.options.areas else ()
        return cls(
            (
                *asked,
                *_in_use(host, facts),
                *_configured(facts),
                *_naming(host, RULES, (".rules", ".conf"), RULE),
                *_naming(host, DOMAINS, (".xml",), DOMAIN),
                *_client(host, facts),
            )
        )

    def demand(self) -> None:
        """Raise `NotApplicable` if nothing shows the wish."""
        if not self.reasons:
            raise NotApplicable(NOBODY_ASKS)


def _in_use(host: Reader, facts: Facts) -> Iterator[Message]:
    """Yield what runs; an image that loads the module for everybody is no wish."""
    devices = host.list(CLASS_FOLDER)
    if not isinstance(devices, Missing) and devices:
        yield MADE.filled(devices=devices)
    elif not isinstance(host.lstat("/sys/module/kvmfr"), Missing):
        listed = [p for p, it in facts[ModuleConfig].lists if KVMFR in it.modules]
        if not any(_is_vendors(path) for path in listed):
            yield LOADED
    if not isinstance(host.lstat("/dev/kvmfr0"), Missing):
        yield NODE


def _configured(facts: Facts) -> Iterator[Message]:
    try:
        line = facts[KernelCmdline].line
    except MissingFact:
        pass
    else:
        words = (w for w in line.words if KVMFR in w and not _forbidding(w))
        yield from (ARGUMENT.filled(argument=word) for word in words)
    config = facts[ModuleConfig]
    for path, file in config.options:
        meant = KVMFR in file.modules("options") or f"/{KVMFR}" in path
        if meant and not _is_vendors(path):
            yield OPTIONS.filled(path=path)
    for path, listed in config.lists:
        if KVMFR in listed.modules and not _is_vendors(path):
            yield LISTED.filled(path=path)
    for path, text in config.strays:
        if KVMFR in path or KVMFR in text:
            yield STRAY.filled(path=path)


def _is_vendors(path: str) -> bool:
    return path.startswith(("/usr/lib/", "/lib/"))


def _forbidding(word: str) -> bool:
    return word.partition("=")[0].endswith("blacklist")


def _naming(
    host: Reader, folder: str, endings: tuple[str, ...], what: Message
) -> Iterator[Message]:
    """Yield the files of a folder that name kvmfr, by their name or content."""
    names = host.list(folder)
    for name in () if isinstance(names, Missing) else names:
        path = f"{folder}/{name}"
        if name.endswith(endings) and (KVMFR in name or _names_it(host, path)):
            yield what.filled(path=path)


def _names_it(host: Reader, path: str) -> bool:
    text = read_text(host, path, _LIMIT)
    return isinstance(text, str) and KVMFR in text


def _client(host: Reader, facts: Facts) -> Iterator[Message]:
    paths = [CLIENT_CONFIG, *_own_client_configs(facts)]
    for path in paths:
        if _names_it(host, path):
            yield CLIENT.filled(path=path)


def _own_client_configs(facts: Facts) -> tuple[str, ...]:
    try:
        user = facts[Accounts].user(facts[HumanUser].name)
    except MissingFact:
        return ()
    if user is None or not user.home.startswith("/"):
        return ()
    return tuple(f"{user.home.rstrip('/')}/{name}" for name in OWN_CLIENT_CONFIGS)
