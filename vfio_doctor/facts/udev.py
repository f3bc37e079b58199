"""Which udev rule files are in force, and which systemd reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.base import MissingFact
from vfio_doctor.facts.kvmfr.names import KVMFR
from vfio_doctor.host.reader import Kind, Missing, Why, read_text
from vfio_doctor.messages import say
from vfio_doctor.parse.systemd_versions import Systemd, read_version
from vfio_doctor.parse.udev_rules import RuleFile, parse_udev_rules
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader

ADMIN_FOLDER = "/etc/udev/rules.d"
# udev(7), first wins; /lib only if it is no link to /usr/lib.
FOLDERS = (
    ADMIN_FOLDER,
    "/run/udev/rules.d",
    "/usr/local/lib/udev/rules.d",
    "/usr/lib/udev/rules.d",
    "/lib/udev/rules.d",
)
SYSTEMD_FOLDERS = (
    "/usr/lib/systemd",
    "/usr/lib64/systemd",
    "/usr/lib/x86_64-linux-gnu/systemd",
    "/lib/systemd",
)
LIBRARY = "libsystemd-shared-"
SYSTEMCTL, UDEVADM = ("systemctl", "--version"), ("udevadm", "--version")


class UdevFile(NamedTuple):
    """One rule file in force: its path, text and what was parsed of it.

    Only files that can touch a kvmfr device are parsed; ``rules`` is empty for
    the others.
    """

    path: str
    text: str
    rules: RuleFile


class UdevRules(NamedTuple):
    """The rule files in force, in the order udev reads them (by name).

    ``hidden`` are files that a file of the same name in a higher folder hides.
    ``unread`` are (path, text) of files in the administrator's folder that udev
    never reads, since their names do not end in ``.rules``. ``unreadable`` says
    what could not be looked at. ``masked`` are links to nothing, which switch files of
    their name in lower folders off.
    """

    files: tuple[UdevFile, ...]
    hidden: tuple[str, ...]
    unread: tuple[tuple[str, str], ...]
    unreadable: tuple[Missing, ...]
    masked: tuple[str, ...] = ()

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> UdevRules:
        """Read every rule file that udev reads; parse those that matter here."""
        chosen, others, unreadable = _names(host)
        files: list[UdevFile] = []
        masked: list[str] = []
        hidden = [path for paths in chosen.values() for path in paths[1:]]
        for name in sorted(chosen):
            path = chosen[name][0]
            text = read_text(host, path)
            if isinstance(text, str):
                rules = parse_udev_rules(text) if touches_kvmfr(text) else RuleFile(())
                files.append(UdevFile(path, text, rules))
            elif _is_masked(host, path, text):
                masked.append(path)
            else:
                unreadable.append(text)
        unread = tuple(_texts(host, others, unreadable))
        seen = (tuple(files), tuple(hidden), unread, tuple(unreadable))
        return cls(*seen, tuple(masked))


def touches_kvmfr(text: str) -> bool:
    """Tell whether a rule file can set anything on a kvmfr device.

    True if it names kvmfr, and if a KERNEL or SUBSYSTEM value is a pattern
    that may match it, such as ``*`` or ``kv*``. Rules without either condition
    ask for attributes and properties that a kvmfr device does not have.
    """
    if KVMFR in text:
        return True
    return any(_may_match(one) for one in _alternatives(text))


def _alternatives(text: str) -> Iterator[str]:
    """Yield what KERNEL and SUBSYSTEM are held against, each line walked once."""
    for word in ("KERNEL", "SUBSYSTEM"):
        at, end = text.find(word), -1
        while at >= 0:
            if at > end:
                newline = text.find("\n", at)
                end = newline if newline >= 0 else len(text)
            start = text.find('"', at, end)
            close = text.find('"', start + 1, end) if start >= 0 else -1
            value = text[start + 1 : close if close >= 0 else end]
            yield from value.split("|") if start >= 0 else ()
            # Without a quote behind it no later key of this line has a value.
            at = text.find(word, at + 1 if close >= 0 else end)


def _may_match(pattern: str) -> bool:
    stops = [n for n, char in enumerate(pattern) if char in "*?[\\"]
    return bool(stops) and KVMFR.startswith(pattern[: stops[0]].lower())


def _names(
    host: Reader,
) -> tuple[dict[str, list[str]], list[str], list[Missing]]:
    """Return rule files by name (first one wins), other files, what is unknown."""
    chosen: dict[str, list[str]] = {}
    others: list[str] = []
    unreadable: list[Missing] = []
    for folder in _folders(host):
        names = host.list(folder)
        if isinstance(names, Missing):
            if names.why is not Why.ABSENT:
                unreadable.append(names)
            continue
        for name in names:
            # Hidden files are passed over, whatever they are called.
            if name.endswith(".rules") and not name.startswith("."):
                chosen.setdefault(name, []).append(f"{folder}/{name}")
            elif folder == ADMIN_FOLDER:
                others.append(f"{folder}/{name}")
    return chosen, others, unreadable


def _folders(host: Reader) -> Iterator[str]:
    yield from FOLDERS[:-1]
    lib = host.lstat("/lib")
    if not isinstance(lib, Missing) and lib.kind is Kind.DIRECTORY:
        yield FOLDERS[-1]


def _is_masked(host: Reader, path: str, missing: Missing) -> bool:
    """Tell a link to ``/dev/null``, or to nothing, from what cannot be read."""
    if missing.why is Why.ABSENT:
        return True
    if missing.why not in (Why.FAILED, Why.NOT_CAPTURED):
        return False
    target = host.readlink(path)
    return isinstance(target, str) and target.endswith("/dev/null")


def _texts(
    host: Reader, paths: list[str], unreadable: list[Missing]
) -> Iterator[tuple[str, str]]:
    for path in paths:
        text = read_text(host, path)
        if isinstance(text, str):
            yield path, text
        elif text.hidden:
            unreadable.append(text)


VERSION_UNKNOWN = say("systemd-version-unknown", "the version of systemd is not known")


class SystemdVersion(NamedTuple):
    """The version of the installed systemd, and where it was read."""

    version: Systemd
    source: str

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> SystemdVersion:
        """Take it from the name of libsystemd-shared, else ask systemctl.

        Some distributions leave the point release out of that name; it is asked for
        where it decides. Raises `MissingFact` if neither answers (hosts without
        systemd).
        """
        named = cls._by_library(host)
        if named is not None and named.version.drops_people is not None:
            return named
        asked = cls._by_command(host)
        found = asked if named is None or _is_closer(asked, named) else named
        if found is None:
            lists = [host.list(folder) for folder in SYSTEMD_FOLDERS]
            hidden = [each for each in lists if isinstance(each, Missing)]
            unseen = next((each.why for each in hidden if each.hidden), None)
            raise MissingFact(VERSION_UNKNOWN, unseen)
        return found

    @classmethod
    def _by_library(cls, host: Reader) -> SystemdVersion | None:
        for folder in _systemd_folders(host):
            names = host.list(folder)
            for name in () if isinstance(names, Missing) else names:
                version = read_version(name.removeprefix(LIBRARY))
                if name.startswith(LIBRARY) and version:
                    return cls(version, f"{folder}/{name}")
        return None

    @classmethod
    def _by_command(cls, host: Reader) -> SystemdVersion | None:
        # The second one is there where udev comes without systemd.
        for argv, head in ((SYSTEMCTL, "systemd "), (UDEVADM, "")):
            answer = host.run(argv)
            if not isinstance(answer, Missing) and answer.status == 0:
                version = read_version(answer.stdout.removeprefix(head))
                if answer.stdout.startswith(head) and version:
                    return cls(version, " ".join(argv))
        return None


def _is_closer(asked: SystemdVersion | None, named: SystemdVersion) -> bool:
    """Tell whether the command knows the point release of the same version."""
    if asked is None or asked.version.major != named.version.major:
        return False
    return asked.version.point is not None


def _systemd_folders(host: Reader) -> Iterator[str]:
    yield from SYSTEMD_FOLDERS
    # Asked last: it lists every folder of /usr/lib.
    multiarch = host.glob("/usr/lib/*/systemd")
    yield from () if isinstance(multiarch, Missing) else multiarch
