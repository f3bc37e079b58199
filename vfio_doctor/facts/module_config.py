"""What modprobe.d, modules-load.d and kernel arguments say about modules."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vfio_doctor.facts.base import known
from vfio_doctor.facts.system import OsRelease
from vfio_doctor.host.reader import Kind, Missing, Why, read_text
from vfio_doctor.messages import Message, say
from vfio_doctor.parse import cmdline, modprobe, modules_load, openrc
from vfio_doctor.parse.modprobe import ModprobeFile, dependency, module_name
from vfio_doctor.parse.modules_load import ModuleList
from vfio_doctor.places import FilePlace
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.parse.cmdline import CommandLine
    from vfio_doctor.parse.modprobe import Directive

ON_COMMAND_LINE = say("kernel-command-line", "kernel command line")
BY_ARGUMENT = say("kernel-command-line-argument", "kernel command line ({key}=)")
LET_IN = say("module-let-in", "Remove what {keeper} says about {module}.")
OUT_OF_ARGUMENT = say(
    "module-out-of-argument",
    "Take {module} out of the kernel argument {key}= with your system's boot tool, and"
    " reboot the computer.",
)
WHY_NOT_READ = {
    "wrong-directory": say(
        "module-config-wrong-directory", "nothing reads files in this folder"
    ),
    "wrong-suffix": say(
        "module-config-wrong-suffix", "only files whose name ends in .conf are read"
    ),
    "wrong-file-kind": say(
        "module-config-wrong-file-kind", "such a line does not belong in this file"
    ),
    "nothing-in-force": say(
        "module-config-nothing-in-force", "the file holds only comments"
    ),
    "commented-out": say("module-config-commented-out", "the line is a comment"),
    "unknown-directive": say(
        "module-config-unknown-directive",
        "modprobe skips the line: it does not know the first word",
    ),
    "missing-words": say(
        "module-config-missing-words", "modprobe skips the line: words are missing"
    ),
    "hidden-file": say(
        "module-config-hidden-file", "files whose name begins with a dot are not read"
    ),
    "no-module": say(
        "module-config-no-module",
        "the name of the module is missing in front of {word}",
    ),
    "not-read-any-more": say(
        "module-config-not-read-any-more", "modprobe no longer reads such lines"
    ),
    "stray-quote": say("module-config-stray-quote", "a quote is opened and not closed"),
    "trailing-comment": say(
        "module-config-trailing-comment", "a comment needs a line of its own"
    ),
    "kernel-parameter-in-module-list": say(
        "module-config-parameter-in-list", "only names of modules belong here"
    ),
    "several-words": say(
        "module-config-several-words", "one module a line, and no options"
    ),
    "unknown-parameter": say(
        "module-config-unknown-parameter",
        "the module that it names has no such parameter (vfio-pci takes ids=...)",
    ),
    "no-value": say(
        "module-config-no-value",
        "the parameter has no value (no blanks belong around the =)",
    ),
}
PARAMETERS = {
    "kvm": ("ignore_msrs", "report_ignored_msrs"),
    "kvmfr": ("static_size_mb",),
    "vfio_pci": ("ids", "disable_vga", "disable_idle_d3"),
}
_CONFIGURED = ("/etc/modprobe.d", "/etc/modules-load.d")
_STRAYS = ("/etc/modprobe", "/etc/modules-load", *_CONFIGURED)
_LIMIT = 1 << 18
# OpenRC's service "modules" (init.d/modules.in), which hands the arguments over.
OPENRC = "/etc/conf.d/modules"
SYSTEMD = "/run/systemd/system"
# Read by Debian's init script "kmod" and Alpine's service "modules"; systemd reads it
# if a link in modules-load.d names it. Upstream's OpenRC does not.
ETC_MODULES = "/etc/modules"
ITS_READERS = ("debian", "devuan", "alpine")


def let_in(module: str, keeper: str | Message) -> Message:
    """Return how a module is let in again that an argument or a file keeps out."""
    if isinstance(keeper, Message) and keeper.id == BY_ARGUMENT.id:
        key = str(dict(keeper.params)["key"])
        return OUT_OF_ARGUMENT.filled(module=module, key=key)
    return LET_IN.filled(module=module, keeper=keeper)


class ModuleOption(NamedTuple):
    """One value given to a module parameter.

    ``value`` is None if the parameter stands bare (true, for a boolean); ``place``
    is the line of modprobe.d, None for the kernel command line.
    """

    value: str | None
    place: FilePlace | None

    @property
    def on_command_line(self) -> bool:
        """Tell whether a kernel argument gives the value."""
        return self.place is None

    @property
    def source(self) -> str | Message:
        """Return where the value was given, for evidence."""
        return ON_COMMAND_LINE if self.place is None else str(self.place)


class Note(NamedTuple):
    """A file or line that does not do what its author meant.

    ``kind`` is one of `modprobe.Problem`, for a whole file (``line`` 0)
    ``wrong-directory``, ``wrong-suffix`` or ``nothing-in-force``, or for ids that
    vfio-pci does not get ``unknown-parameter`` or ``no-value``.
    """

    path: str
    line: int
    kind: str
    text: str = ""

    @property
    def place(self) -> FilePlace:
        """Return the line, or the whole file."""
        return FilePlace(self.path, self.line)

    @property
    def is_typo(self) -> bool:
        """Tell whether a line lacks the name of the module."""
        return self.kind == "no-module"

    def is_more_than(self, module: str) -> bool:
        """Tell whether a line of modules-load.d has a name, and options or a comment.

        Of several names on one line each may be meant.
        """
        if self.kind not in (modules_load.PARAMETER, modules_load.SEVERAL):
            return False
        first, *rest = self.text.split()
        named = module_name(re.split("[.=]", first)[0]) == module_name(module)
        return named and (not rest or "=" in rest[0] or rest[0].startswith("#"))

    @property
    def said(self) -> Message:
        """Return why it has no effect, as a clause."""
        said = WHY_NOT_READ[self.kind]
        if self.kind != "no-module":
            return said
        # The line is "options PARAMETER=VALUE".
        return said.filled(word=self.text.split()[1])


class ModuleConfig(NamedTuple):
    """All files in force, in the order in which kmod and systemd read them.

    ``unread`` are files and folders that exist and could not be read: an answer
    "nothing says so" is then not known. ``strays`` are files in folders that
    nothing reads, or whose name does not end in ``.conf``. ``openrc`` is what OpenRC
    loads and with which arguments; nothing where systemd runs.
    """

    options: tuple[tuple[str, ModprobeFile], ...] = ()
    lists: tuple[tuple[str, ModuleList], ...] = ()
    strays: tuple[tuple[str, str], ...] = ()
    unread: tuple[Missing, ...] = ()
    openrc: openrc.Modules = openrc.NONE

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> ModuleConfig:
        """Read every ``*.conf`` of both folder families."""
        unread: list[Missing] = []
        options = _in_force(host, modprobe.FOLDERS, unread)
        lists = _in_force(host, modules_load.FOLDERS, unread)
        parsed = tuple((path, modprobe.parse(text)) for path, text in options)
        named = tuple((path, modules_load.parse(text)) for path, text in lists)
        named = (*named, *_etc_modules(host, facts, unread))
        told = _openrc(host, unread)
        return cls(
            parsed,
            named,
            tuple(_strays(host)),
            tuple(unread),
            told,
        )

    def parameters(
        self, module: str, line: CommandLine
    ) -> tuple[tuple[str, ModuleOption], ...]:
        """Return every parameter given to a module, in the kernel's order.

        kmod appends the options of the command line to those of modprobe.d
        (libkmod-config.c), and the kernel parses the whole text in order.
        """
        return (
            *_from_files(self.options, module_name(module)),
            *_from_command_line(line, module_name(module)),
            *_from_openrc(self.openrc, module_name(module)),
        )

    def values(
        self, module: str, parameter: str, line: CommandLine
    ) -> tuple[ModuleOption, ...]:
        """Return every value given to a parameter, the one that wins last."""
        name = parameter.replace("-", "_")
        return tuple(
            option for given, option in self.parameters(module, line) if given == name
        )

    def effective(
        self, module: str, parameter: str, line: CommandLine
    ) -> ModuleOption | None:
        """Return the value that a module loaded with ``line`` gets, or None.

        The last one wins; an array is parsed again from its first element. Raises
        `MissingFact` if a file that may say so cannot be read and the command line
        does not decide.
        """
        given = self.values(module, parameter, line)
        if given and given[-1].on_command_line:
            return given[-1]
        self._all_read()
        return given[-1] if given else None

    def loaded_at_boot(self, module: str, line: CommandLine) -> str | Message | None:
        """Return what has systemd load the module at boot, or None.

        Raises `MissingFact` if nothing does and a file cannot be read.
        """
        name = module_name(module)
        for key in ("modules-load", "rd.modules-load"):
            for value in line.values(key):
                if name in modules_load.parse_argument(value or ""):
                    return BY_ARGUMENT.filled(key=key)
        for path, listed in self.lists:
            if name in listed.modules:
                return path
        if name in self.openrc.names:
            return OPENRC
        self._all_read()
        return None

    def blacklisted(self, module: str, line: CommandLine) -> str | Message | None:
        """Return what keeps systemd from loading the module at boot, or None.

        ``modprobe MODULE`` by hand overrides ``blacklist``, nothing else here.
        Raises `MissingFact` as `loaded_at_boot` does.
        """
        name = module_name(module)
        for key in ("module_blacklist", "modprobe.blacklist"):
            for value in line.values(key):
                if name in modules_load.parse_argument(value or ""):
                    return BY_ARGUMENT.filled(key=key)
        for path, file in self.options:
            for item in file.directives:
                if item.subject == name and _forbids(item):
                    place = FilePlace(path, item.line)
                    return f"{place} ({item.word})"
        self._all_read()
        return None

    def pulled_in_by(self, module: str) -> tuple[tuple[str, str], ...]:
        """Return (module, source) of each ``softdep`` that brings this module."""
        name = module_name(module)
        return tuple(
            (item.subject, f"{path}:{item.line}")
            for path, file in self.options
            for item in file.of("softdep")
            if name in (*dependency(item).pre, *dependency(item).post)
        )

    def notes(self, module: str) -> tuple[Note, ...]:
        """Return what seems meant for a module and has no effect as written."""
        name = module_name(module)
        return tuple(note for note in self._all_notes() if _is_about(note, name))

    def _all_notes(self) -> Iterator[Note]:
        for path, text in self.strays:
            yield Note(path, 0, modprobe.location_problem(path), text)
        options = [(path, file.problems) for path, file in self.options]
        lists = [(path, listed.problems) for path, listed in self.lists]
        for path, problems in (*options, *lists):
            for problem in problems:
                yield Note(path, problem.line, problem.kind, problem.text)
        for path, file in self.options:
            if not file.directives and not file.problems:
                yield Note(path, 0, "nothing-in-force")

    def _all_read(self) -> None:
        for missing in self.unread:
            known(missing)


def _from_files(
    files: tuple[tuple[str, ModprobeFile], ...], name: str
) -> Iterator[tuple[str, ModuleOption]]:
    for path, file in files:
        for item in file.of("options"):
            if item.subject == name:
                for given in modprobe.parameters(item.rest):
                    place = FilePlace(path, item.line)
                    yield given.name, ModuleOption(given.value, place)


def _from_command_line(
    line: CommandLine, name: str
) -> Iterator[tuple[str, ModuleOption]]:
    # kmod reads the whole of /proc/cmdline, and what is meant for init too.
    for argument in (*line.arguments, *map(cmdline.argument, line.init)):
        module, dot, parameter = argument.key.partition(".")
        if dot and module_name(module) == name:
            yield parameter.replace("-", "_"), ModuleOption(argument.value, None)


def _from_openrc(told: openrc.Modules, name: str) -> Iterator[tuple[str, ModuleOption]]:
    """Yield what stands on modprobe's own command line: it comes last."""
    for module, line, arguments in told.arguments:
        for given in modprobe.parameters(arguments) if module == name else ():
            yield given.name, ModuleOption(given.value, FilePlace(OPENRC, line))


def _openrc(host: Reader, unread: list[Missing]) -> openrc.Modules:
    text = read_text(host, OPENRC, _LIMIT)
    if isinstance(text, Missing):
        if text.hidden:
            unread.append(text)
        return openrc.NONE
    seen = host.lstat(SYSTEMD)
    idle = not isinstance(seen, Missing)
    return openrc.NONE if idle else openrc.parse(text)


def _etc_modules(
    host: Reader, facts: Facts, unread: list[Missing]
) -> Iterator[tuple[str, ModuleList]]:
    """Yield the list that a system without systemd loads modules from."""
    idle = host.lstat(SYSTEMD)
    if not (isinstance(idle, Missing) and idle.why is Why.ABSENT):
        return
    text = read_text(host, ETC_MODULES, _LIMIT)
    if isinstance(text, str) and facts[OsRelease].is_like(*ITS_READERS):
        # Parameters may follow the name, as in the initramfs's list.
        yield ETC_MODULES, modules_load.parse_initramfs_tools(text)
    elif isinstance(text, Missing) and text.hidden:
        unread.append(text)


def _forbids(item: Directive) -> bool:
    if item.word != "install":
        return item.word == "blacklist"
    return item.rest.split()[0].rpartition("/")[2] in ("true", "false", ":")


def _is_about(note: Note, name: str) -> bool:
    text = f"{note.path} {note.text}".replace("-", "_")
    if name in text:
        return True
    # A parameter tells whose it is where the module is left out.
    words = PARAMETERS.get(name, ()) if note.kind == "no-module" else ()
    return any(word in text for word in words)


def _in_force(
    host: Reader, folders: tuple[str, ...], unread: list[Missing]
) -> Iterator[tuple[str, str]]:
    """Yield (path, text) sorted by file name; an earlier folder hides later ones."""
    chosen: dict[str, str] = {}
    for folder in folders:
        for name in _names(host, folder, unread):
            if name.endswith(".conf") and not name.startswith("."):
                chosen.setdefault(name, f"{folder}/{name}")
    for name in sorted(chosen):
        text = _content(host, chosen[name])
        if isinstance(text, str):
            yield chosen[name], text
        elif text is not None:
            unread.append(text)


def _names(host: Reader, folder: str, unread: list[Missing]) -> tuple[str, ...]:
    names = host.list(folder)
    if not isinstance(names, Missing):
        return names
    if names.why is not Why.ABSENT:
        unread.append(names)
    return ()


def _content(host: Reader, path: str) -> str | Missing | None:
    """Return the text; None if kmod and systemd pass the name over."""
    text = read_text(host, path, _LIMIT)
    if isinstance(text, str):
        return text
    if text.why is Why.ABSENT:
        return None
    stat = host.lstat(path)
    if isinstance(stat, Missing):
        return text
    if stat.kind is Kind.LINK and stat.target == "/dev/null":
        return ""
    return None if stat.kind is Kind.DIRECTORY else text


def _strays(host: Reader) -> Iterator[tuple[str, str]]:
    """Yield (path, text) of files that look like configuration and are not read."""
    for folder in _STRAYS:
        for name in _names(host, folder, []):
            if not modprobe.location_problem(f"{folder}/{name}"):
                continue
            text = _content(host, f"{folder}/{name}")
            if isinstance(text, str) and text:
                yield f"{folder}/{name}", text
