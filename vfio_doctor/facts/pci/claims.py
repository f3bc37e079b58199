"""Who says that a PCI function is meant for a VM: one claim for each place."""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING

from vfio_doctor.facts.base import MissingFact
from vfio_doctor.facts.boot.arguments import BootArguments
from vfio_doctor.facts.boot.stack import GRUB_MENUS, LIMINE_MENUS
from vfio_doctor.facts.kernel import KernelCmdline
from vfio_doctor.facts.module_config import ModuleConfig, Note
from vfio_doctor.facts.vms import Vms
from vfio_doctor.host.reader import UNSAID, Kind, Missing, Why, read_text
from vfio_doctor.parse.cmdline import CommandLine
from vfio_doctor.parse.modprobe import module_name, parameters
from vfio_doctor.parse.pci import is_address, is_vfio_driver, overridden
from vfio_doctor.parse.vfio_ids import IdPattern, is_bus_address, parse_id, parse_ids
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TypeVar

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.parse.modprobe import Directive

    T = TypeVar("T")

VFIO_PCI, PCI_STUB = "vfio_pci", "pci_stub"
# The argument that our own repair binds devices by address with.
BIND = "vfio-doctor.bind"
MODPROBE = "/etc/modprobe.d"
DRIVERCTL = "/etc/driverctl.d"
SYSFS_CONF = ("/etc/sysfs.conf", "/etc/sysfs.d/*.conf")
UNRAID = "/boot/config/vfio-pci.cfg"
INITRAMFS_MODULES = ("/etc/initramfs-tools/modules", "/etc/modules")
# Where guides put the script, or the rule, that sets driver_override.
SCRIPTS = (
    "/etc/initramfs-tools/scripts/*/*",
    "/etc/initcpio/hooks/*",
    "/etc/udev/rules.d/*.rules",
)
# Files that a tool writes anew: what stands there is changed elsewhere.
MENUS = (*GRUB_MENUS, *LIMINE_MENUS)
OURS = ("vfio", "pci-stub", "pci_stub")
_LIMIT = 1 << 16
_IDS = r"\bids=(\S+)"
_ID = r"\b[0-9a-fA-F]{4}:[0-9a-fA-F]{4}\b"


class ClaimKind(Enum):
    """What a claim asks for."""

    BOOT = "vfio-pci is to take it at boot"
    NEXT = "vfio-pci is to take it from the next boot on"
    OVERRIDE = "driver_override names vfio-pci now"
    STUB = "pci-stub is to keep it from the host's drivers"
    NOW = "a VFIO driver has it now"
    VM = "a VM gets it, and binds it when it starts"
    UNMANAGED = "a VM gets it, and it has to be bound before"
    ASKED = "named on the command line"
    SETUP = "named on the command line, to be bound at boot"


# What should be on a VFIO driver whenever the host is up.
STANDING = frozenset(
    (ClaimKind.BOOT, ClaimKind.OVERRIDE, ClaimKind.UNMANAGED, ClaimKind.SETUP)
)


class Claim(NamedTuple):
    """One place that says so.

    ``address`` is a function's, or a slot's for all its functions, "" if only
    ``pattern`` tells; ``source`` and ``word`` are where it is said, and how.
    """

    kind: ClaimKind
    source: str
    word: str
    address: str = ""
    pattern: IdPattern | None = None

    @property
    def row(self) -> tuple[str, str]:
        """Return where it is said, and the words."""
        return self.source, self.word


class Script(NamedTuple):
    """A command that ``install vfio-pci`` runs in place of loading the module.

    ``path`` is its first word if that is a path, else ""; ``text`` is its content,
    ``mode`` its permissions.
    """

    source: str
    command: str
    path: str
    text: str | Missing
    mode: int = 0o755

    @property
    def is_executable(self) -> bool:
        """Tell whether modprobe, which is root's, may run it."""
        return bool(self.mode & 0o111)


class InstallScripts(NamedTuple):
    """What modprobe.d runs when vfio-pci is to be loaded.

    ``unread`` is a file of modprobe.d that could not be read, None if all could.
    """

    scripts: tuple[Script, ...]
    unread: Missing | None = None

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> InstallScripts:
        """Read each script that an ``install`` line names."""
        config = facts[ModuleConfig]
        scripts = tuple(
            _script(host, path, item)
            for path, file in config.options
            for item in file.of("install")
            if item.subject == VFIO_PCI
        )
        return cls(scripts, next(iter(config.unread), None))


# Files of these endings are copies; lines of these kinds were taken out on purpose.
COPIES = (".bak", ".old", ".orig", ".disabled", ".rpmsave", ".dpkg-old", ".save", "~")
NOT_MEANT = ("nothing-in-force", "commented-out", "trailing-comment")


class VfioSettings(NamedTuple):
    """Files and lines that are meant for vfio-pci, and that modprobe does not read.

    ``unread`` are files with such a name that could not be looked into.
    """

    notes: tuple[Note, ...]
    unread: tuple[Missing, ...] = ()

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> VfioSettings:
        """Take what is not read of modprobe.d, but for copies and comments."""
        found = facts[ModuleConfig].notes(VFIO_PCI)
        said = Said(host)
        for name in said.names(MODPROBE):
            if "vfio" in name and not name.endswith((".conf", *COPIES)):
                said.text(f"{MODPROBE}/{name}")
        meant = (*(n for n in found if _is_meant(n)), *_lost_ids(facts[ModuleConfig]))
        return cls(meant, tuple(said.unread))


def _lost_ids(config: ModuleConfig) -> Iterator[Note]:
    """Yield each line of options that has ids, and not as vfio-pci takes them."""
    for path, file in config.options:
        for item in file.of("options"):
            if not item.subject.startswith("vfio") or not re.search(_ID, item.rest):
                continue
            given = parameters(item.rest)
            if item.subject != VFIO_PCI or not any(one.name == "ids" for one in given):
                yield Note(path, item.line, "unknown-parameter", item.raw)
            elif not any(one.name == "ids" and one.value for one in given):
                yield Note(path, item.line, "no-value", item.raw)


def _is_meant(note: Note) -> bool:
    if note.kind in NOT_MEANT or note.path.endswith(COPIES):
        return False
    live = (line.strip() for line in note.text.splitlines())
    if note.is_more_than(VFIO_PCI):
        # In modules-load.d no module gets ids.
        return bool(re.search(_ID, note.text))
    return "modprobe" in note.path and any(x and not x.startswith("#") for x in live)


class IdEntry(NamedTuple):
    """One entry of the list of ids; ``pattern`` is None if the kernel refuses it."""

    source: str
    text: str
    pattern: IdPattern | None

    @property
    def is_address(self) -> bool:
        """Tell whether somebody wrote a bus address."""
        return is_bus_address(self.text)


class VfioIds(NamedTuple):
    """Each entry that vfio-pci gets, now or at the next boot, told once.

    ``unread`` is a file of modprobe.d that could not be read, None if all could.
    """

    entries: tuple[IdEntry, ...]
    unread: Missing | None = None

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> VfioIds:
        """Take the arguments and modprobe.d; of several lists the last counts."""
        found: dict[str, IdEntry] = {}
        for source, _, value, _ in _lists(facts):
            for item in filter(None, value.split(",")):
                found.setdefault(item, IdEntry(source, item, parse_id(item)))
        unread = next(iter(facts[ModuleConfig].unread), None)
        return cls(tuple(found.values()), unread)


def _script(host: Reader, path: str, item: Directive) -> Script:
    first = item.rest.split()[0].rstrip(";&|") if item.rest.split() else ""
    named = first if first.startswith("/") else ""
    text = read_text(host, named, _LIMIT) if named else item.rest
    stat = host.lstat(named) if named else Missing(path, Why.ABSENT)
    # A link's own mode says nothing of what it leads to.
    if isinstance(stat, Missing) or stat.kind is not Kind.FILE:
        return Script(f"{path}:{item.line}", item.rest, named, text)
    mode = stat.mode & 0o7777
    return Script(f"{path}:{item.line}", item.rest, named, text, mode)


class Said:
    """A host's texts, and a list of those that are there and could not be read."""

    def __init__(self, host: Reader) -> None:
        """Take the host; nothing is unread yet."""
        self._host = host
        self.unread: list[Missing] = []

    def text(self, path: str) -> str:
        """Return a file's text, "" if it has none."""
        return self.seen(read_text(self._host, path, _LIMIT), "")

    def names(self, folder: str) -> tuple[str, ...]:
        """Return the names in a folder, () if it has none."""
        return self.seen(self._host.list(folder), ())

    def paths(self, pattern: str) -> tuple[str, ...]:
        """Return the paths that match, () if none does."""
        return self.seen(self._host.glob(pattern), ())

    def seen(self, answer: T | Missing, nothing: T) -> T:
        """Return an answer; note it if it may hide something."""
        if not isinstance(answer, Missing):
            return answer
        if answer.why not in UNSAID:
            self.unread.append(answer)
        return nothing


def claims(said: Said, facts: Facts) -> Iterator[Claim]:
    """Yield what is said anywhere but in the state of the running kernel."""
    asked = ClaimKind.SETUP if facts.options.bind else ClaimKind.ASKED
    for word in facts.options.devices:
        yield _asked(word, asked)
    said.unread += facts[ModuleConfig].unread
    yield from _ids(facts)
    yield from _bound_by_argument(facts)
    yield from _stubbed(facts)
    yield from _scripts(said, facts)
    yield from _initramfs(said)
    yield from _driverctl(said)
    yield from _sysfs(said)
    yield from _unraid(said)
    said.unread += facts[Vms].unread
    yield from _vms(facts)


def _asked(word: str, kind: ClaimKind) -> Claim:
    option = f"--device {word}"
    if "." in word:
        full = word if word.count(":") == 2 else f"0000:{word}"
        return Claim(kind, option, full, full.lower())
    return Claim(kind, option, word, pattern=parse_id(word))


def _ids(facts: Facts) -> Iterator[Claim]:
    seen: set[str] = set()
    for source, word, value, kind in _lists(facts):
        for pattern in parse_ids(value)[0]:
            if pattern.text not in seen:
                seen.add(pattern.text)
                yield Claim(kind, source, word, pattern=pattern)


def _bound_by_argument(facts: Facts) -> Iterator[Claim]:
    """Yield the addresses of our own argument."""
    seen: set[str] = set()
    for line, source, kind in _lines(facts):
        for value in line.values(BIND):
            for address in filter(is_address, (value or "").split(",")):
                if address not in seen:
                    seen.add(address)
                    yield Claim(kind, source, f"{BIND}={value}", address)


def _stubbed(facts: Facts) -> Iterator[Claim]:
    """Yield the ids that pci-stub gets at boot: what guides had before vfio-pci."""
    for line, source, kind in _lines(facts):
        given = facts[ModuleConfig].values(PCI_STUB, "ids", line)
        if kind is not ClaimKind.BOOT or not given or not given[-1].value:
            continue
        value, place = given[-1].value, given[-1].place
        word = f"ids={value}" if place else f"pci-stub.ids={value}"
        for pattern in parse_ids(value)[0]:
            where = str(place) if place else source
            yield Claim(ClaimKind.STUB, where, word, pattern=pattern)


def _lists(facts: Facts) -> Iterator[tuple[str, str, str, ClaimKind]]:
    """Yield (source, words, list, kind); of several the kernel takes the last."""
    config = facts[ModuleConfig]
    for line, source, kind in _lines(facts):
        given = config.values(VFIO_PCI, "ids", line)
        if not given or not given[-1].value:
            continue
        value, place = given[-1].value, given[-1].place
        if place is None:
            yield source, f"vfio-pci.ids={value}", value, kind
        else:
            yield str(place), f"ids={value}", value, kind


def _lines(facts: Facts) -> Iterator[tuple[CommandLine, str, ClaimKind]]:
    """Yield the booted line, none if it is not there, and the next boot's if known."""
    told = (Why.ABSENT, Why.NOT_CAPTURED)
    try:
        booted = facts[KernelCmdline]
        yield booted.line, booted.source, ClaimKind.BOOT
    except MissingFact as missing:
        if missing.why not in told:
            raise
        yield CommandLine(()), "", ClaimKind.BOOT
    try:
        following = facts[BootArguments].candidates()
    except MissingFact as missing:
        # That no file says what comes next is told by a failure, too.
        if missing.why not in (*told, Why.FAILED):
            raise
        return
    for line, source in following:
        yield line, _written_in(line, source, facts), ClaimKind.NEXT


def _written_in(line: CommandLine, source: str, facts: Facts) -> str:
    """Return the files that a generated menu has its words from, if they have them."""
    boot = facts[BootArguments]
    if source not in MENUS or isinstance(boot.configured, Missing):
        return source
    ours = {a.raw for a in line.arguments if a.key.startswith(OURS)}
    made = ours <= {a.raw for a in boot.configured.arguments}
    return boot.configured_source if made else source


def _scripts(said: Said, facts: Facts) -> Iterator[Claim]:
    for script in facts[InstallScripts].scripts:
        for address in overridden(said.seen(script.text, "")):
            where = script.path or script.source
            yield Claim(ClaimKind.BOOT, where, address, address)
    for pattern in SCRIPTS:
        for path in said.paths(pattern):
            for address in overridden(said.text(path)):
                yield Claim(ClaimKind.BOOT, path, address, address)


def _initramfs(said: Said) -> Iterator[Claim]:
    """Yield the ids behind ``vfio_pci`` in Debian's lists of modules."""
    for path in INITRAMFS_MODULES:
        for line in said.text(path).splitlines():
            words = line.split("#", 1)[0].strip()
            if module_name(words.partition(" ")[0]) != VFIO_PCI:
                continue
            for value in re.findall(_IDS, words):
                for pattern in parse_ids(value)[0]:
                    yield Claim(ClaimKind.BOOT, path, words, pattern=pattern)


def _driverctl(said: Said) -> Iterator[Claim]:
    for name in said.names(DRIVERCTL):
        address = name.rpartition("-")[2]
        path = f"{DRIVERCTL}/{name}"
        driver = said.text(path).strip() if is_address(address) else ""
        if is_vfio_driver(driver):
            yield Claim(ClaimKind.BOOT, path, driver, address)


def _sysfs(said: Said) -> Iterator[Claim]:
    for pattern in SYSFS_CONF:
        for path in said.paths(pattern):
            for line in said.text(path).splitlines():
                key, _, value = line.partition("=")
                parts = key.strip().split("/")
                if parts[-1] != "driver_override" or not is_vfio_driver(value):
                    continue
                if len(parts) > 1 and is_address(parts[-2]):
                    yield Claim(ClaimKind.BOOT, path, line.strip(), parts[-2])


def _unraid(said: Said) -> Iterator[Claim]:
    for line in said.text(UNRAID).splitlines():
        key, _, value = line.partition("=")
        for word in value.split() if key.strip() == "BIND" else ():
            address = word.partition("|")[0].lower()
            if is_address(address):
                yield Claim(ClaimKind.BOOT, UNRAID, word, address)


def _vms(facts: Facts) -> Iterator[Claim]:
    for vm in facts[Vms].vms:
        for function in vm.functions:
            kind = ClaimKind.VM if function.managed else ClaimKind.UNMANAGED
            yield Claim(kind, vm.path, function.address, function.address)
