r"""Read modprobe.d files the way kmod does.

The grammar is that of libkmod's ``libkmod-config.c``: a backslash before a line
end joins lines, ``#`` in the first column makes a comment, blanks separate words,
``-`` in module names is ``_``. What kmod would skip is kept as a `Problem`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDERS = (
    "/etc/modprobe.d",
    "/run/modprobe.d",
    "/usr/local/lib/modprobe.d",
    "/usr/lib/modprobe.d",
    "/lib/modprobe.d",
)
_WITH_REST = ("options", "install", "remove", "softdep", "weakdep")
_DIRECTIVES = (*_WITH_REST, "alias", "blacklist")
_LOADERS = ("modprobe", "insmod")
_REMOVES = ("-r", "--remove")
_NO_LONGER_READ = ("include", "config")


class Problem(NamedTuple):
    """Something in a file that does not do what its author meant.

    ``kind`` is ``unknown-directive``, ``missing-words``, ``no-module``,
    ``not-read-any-more``, ``commented-out``, ``stray-quote``, ``trailing-comment``
    or, in lists of modules, ``kernel-parameter-in-module-list`` or
    ``several-words``; ``line`` counts from 1.
    """

    line: int
    kind: str
    text: str


class Directive(NamedTuple):
    """One line in force: ``subject`` is a module (or alias), ``rest`` what follows.

    ``rest`` is the text behind the name as written: parameters of ``options``,
    the command of ``install`` and ``remove``, the lists of a dependency. ``raw``
    is the whole line, continuation lines joined.
    """

    line: int
    word: str
    subject: str
    rest: str
    raw: str = ""


class ModprobeFile(NamedTuple):
    """One file: what is in force, in the order of the file, and what is not."""

    directives: tuple[Directive, ...] = ()
    problems: tuple[Problem, ...] = ()

    def of(self, word: str) -> tuple[Directive, ...]:
        """Return the directives that begin with ``word``."""
        return tuple(item for item in self.directives if item.word == word)

    def modules(self, word: str) -> tuple[str, ...]:
        """Return the subjects of one kind of directive, ``blacklist`` say."""
        return tuple(item.subject for item in self.of(word))

    def parameters(self, module: str) -> tuple[Parameter, ...]:
        """Return all parameters of a module, joined as kmod joins them."""
        name = module_name(module)
        texts = (item.rest for item in self.of("options") if item.subject == name)
        return parameters(" ".join(texts))


class Parameter(NamedTuple):
    """One module parameter; ``value`` is None where there is no ``=``."""

    name: str
    value: str | None


class Dependency(NamedTuple):
    """What a ``softdep`` asks for before and after its module."""

    module: str
    pre: tuple[str, ...]
    post: tuple[str, ...]


def parse(text: str) -> ModprobeFile:
    """Return what the text of one modprobe.d file says; never raises."""
    directives: list[Directive] = []
    problems: list[Problem] = []
    for number, line in _joined_lines(text):
        if line.startswith("#"):
            if _is_disabled(line):
                problems.append(Problem(number, "commented-out", line))
            continue
        found = _directive(number, line)
        if isinstance(found, Directive):
            directives.append(found._replace(raw=line))
            problems.extend(_doubts(found))
        elif found is not None:
            problems.append(found)
    return ModprobeFile(tuple(directives), tuple(problems))


def module_name(name: str) -> str:
    """Return a module's name as the kernel spells it: ``-`` becomes ``_``.

    Inside brackets (a pattern) the text stays as it is.
    """
    if "[" not in name:
        return name.replace("-", "_")
    inside = False
    spelt: list[str] = []
    for char in name:
        inside = char == "[" or (inside and char != "]")
        spelt.append("_" if char == "-" and not inside else char)
    return "".join(spelt)


def parameters(text: str) -> tuple[Parameter, ...]:
    """Split module parameters as the kernel does (``next_arg`` in lib/cmdline.c).

    Blanks inside double quotes do not separate; quotes around a whole value or a
    whole word are taken off. Names are spelt with ``_``.
    """
    return tuple(_parameter(word) for word in _quoted_words(text))


def dependency(directive: Directive) -> Dependency:
    """Return the two lists of a ``softdep``; words before ``pre:`` count nowhere."""
    lists: dict[str, list[str]] = {"pre:": [], "post:": []}
    current: list[str] | None = None
    for word in directive.rest.split():
        if word in lists:
            current = lists[word]
        elif current is not None:
            current.append(module_name(word))
    return Dependency(directive.subject, tuple(lists["pre:"]), tuple(lists["post:"]))


def location_problem(path: str) -> str:
    """Return why kmod or systemd does not read a file at that path, or "".

    ``hidden-file``, ``wrong-directory``, ``wrong-suffix`` or, for files that hold
    another format, ``wrong-file-kind``.
    """
    folder, _, name = path.rpartition("/")
    if folder.endswith(("/modprobe.d", "/modules-load.d")):
        if name.startswith("."):
            return "hidden-file"
        return "" if name.endswith(".conf") else "wrong-suffix"
    lost = folder.endswith(("/modprobe", "/modules-load"))
    return "wrong-directory" if lost else "wrong-file-kind"


def _joined_lines(text: str) -> Iterator[tuple[int, str]]:
    r"""Yield (number of the first line, text); ``\`` hides what follows it."""
    start = number = 1
    parts: list[str] = []
    rest = iter(text)
    for char in rest:
        if char == "\\":
            char = next(rest, "")
            if char == "\n":
                number += 1
                continue
            parts.append(char)
        elif char == "\n":
            yield start, "".join(parts)
            number += 1
            start, parts = number, []
        else:
            parts.append(char)
    if parts:
        yield start, "".join(parts)


def _directive(number: int, line: str) -> Directive | Problem | None:
    word, rest = _cut(line)
    if not word:
        return None
    if word in _NO_LONGER_READ:
        return Problem(number, "not-read-any-more", line)
    if word not in _DIRECTIVES:
        return Problem(number, "unknown-directive", line)
    subject, rest = _cut(rest)
    wants_rest = word in _WITH_REST or word == "alias"
    if word == "options" and "=" in subject:
        return Problem(number, "no-module", line)
    if not subject or (wants_rest and not rest):
        return Problem(number, "missing-words", line)
    if word == "alias":
        rest = module_name(_cut(rest)[0])
    return Directive(number, word, module_name(subject), rest)


def _cut(text: str) -> tuple[str, str]:
    """Take the first word off; only blanks and tabs separate."""
    text = text.lstrip(" \t")
    for position, char in enumerate(text):
        if char in " \t":
            return text[:position], text[position:].strip(" \t")
    return text, ""


def _is_disabled(comment: str) -> bool:
    """Tell whether a comment is a directive that somebody switched off."""
    found = _directive(0, comment.lstrip("#").strip())
    if not isinstance(found, Directive):
        return False
    if found.word == "options":
        return "=" in found.rest
    return found.word in ("softdep", "weakdep") and ":" in found.rest


def _doubts(directive: Directive) -> Iterator[Problem]:
    if directive.word != "options":
        return
    if directive.rest.count('"') % 2:
        yield Problem(directive.line, "stray-quote", directive.rest)
    words = _quoted_words(directive.rest)
    if any(word.startswith("#") for word in words):
        yield Problem(directive.line, "trailing-comment", directive.rest)


def _quoted_words(text: str) -> tuple[str, ...]:
    words: list[str] = []
    current: list[str] = []
    quoted = False
    for char in text:
        if char in " \t\n\v\f\r" and not quoted:
            if current:
                words.append("".join(current))
            current = []
            continue
        quoted ^= char == '"'
        current.append(char)
    if current:
        words.append("".join(current))
    return tuple(words)


def _parameter(word: str) -> Parameter:
    if word.startswith('"'):
        word = word[1:].removesuffix('"')
    name, equals, value = word.partition("=")
    if value.startswith('"'):
        value = value[1:].removesuffix('"')
    return Parameter(name.replace("-", "_"), value if equals and name else None)


def loads_itself(text: str) -> bool:
    """Tell whether a command in place of a module loads it after all."""
    return any(word in text for word in ("modprobe -i", "--ignore-install", "insmod"))


def loads_kvmfr(text: str) -> bool:
    """Tell whether a script, or a unit, has a line that loads the module."""
    return any(_loads_kvmfr(line) for line in text.splitlines())


def _loads_kvmfr(line: str) -> bool:
    words = line.partition("#")[0].replace("=", " ").replace(";", " ").split()
    names = [word.rpartition("/")[2] for word in words]
    first = next((i for i, name in enumerate(names) if name in _LOADERS), len(names))
    behind = names[first + 1 :]
    is_named = any(name.partition(".")[0] == "kvmfr" for name in behind)
    return is_named and not any(word in _REMOVES for word in behind)
