"""The kernel command line: split it as the kernel does, edit exact words.

Sources: ``next_arg`` and ``parse_args`` of the kernel (lib/cmdline.c,
kernel/params.c). Double quotes keep blanks together and are taken off the value;
``--`` ends the kernel's part; in parameter names ``-`` and ``_`` are equal.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.model import KernelArguments

# isspace() of the kernel, ASCII part.
BLANK = " \t\n\r\v\f"
# Blanks between quotes belong to the word, and so does an end that lacks its quote.
WORD = re.compile(r'(?:[^ \t\n\r\v\f"]+|"[^"]*(?:"|$))+')
END = "--"
# Each word of these stands for itself; a second one does not replace the first.
ACCUMULATING = frozenset(
    (
        "console",
        "earlycon",
        "hugepages",
        "hugepagesz",
        "initcall_blacklist",
        "modprobe.blacklist",
        "modules_load",
        "rd.driver.blacklist",
        "rd.driver.post",
        "rd.driver.pre",
        "rd.luks.name",
        "rd.luks.options",
        "rd.luks.uuid",
        "rd.lvm.lv",
        "rd.md.uuid",
        "rd.modules_load",
        "systemd.mask",
        "systemd.wants",
        "video",
    )
)


class Argument(NamedTuple):
    """One word: as it stands, its name, and its value (None: no ``=``)."""

    raw: str
    key: str
    value: str | None

    @property
    def items(self) -> tuple[str, ...]:
        """Return the parts of a comma-separated value, () where there is none."""
        return tuple(self.value.split(",")) if self.value else ()


class CommandLine(NamedTuple):
    """The kernel's arguments, and the words behind ``--`` that go to init."""

    arguments: tuple[Argument, ...]
    init: tuple[str, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """Return the kernel's arguments as they stand."""
        return tuple(argument.raw for argument in self.arguments)

    def values(self, key: str) -> tuple[str | None, ...]:
        """Return every value given to a parameter, in order."""
        wanted = plain(key)
        return tuple(a.value for a in self.arguments if plain(a.key) == wanted)

    def last(self, key: str) -> str | None:
        """Return the value that wins, None where there is none.

        A bare boolean parameter has the value "", since it is there.
        """
        values = self.values(key)
        return (values[-1] or "") if values else None

    def has(self, key: str) -> bool:
        """Tell whether a parameter is given at all."""
        return bool(self.values(key))


def plain(key: str) -> str:
    """Return a parameter's name in the spelling that compares equal."""
    return key.replace("-", "_")


def words(text: str) -> tuple[str, ...]:
    """Return the raw words, quotes kept, ``--`` and what follows included."""
    return tuple(WORD.findall(text))


def spans(text: str) -> Iterator[tuple[int, int]]:
    """Yield where each raw word begins and ends."""
    return (found.span() for found in WORD.finditer(text))


def parse(text: str) -> CommandLine:
    """Return the command line as the kernel understands it; never raises."""
    raw = words(text.partition("\0")[0])
    cut = end_of_kernel(raw)
    return CommandLine(tuple(argument(word) for word in raw[:cut]), raw[cut + 1 :])


def end_of_kernel(words: tuple[str, ...]) -> int:
    """Return where the kernel's words end; it takes quotes off ``--`` too."""
    for n, word in enumerate(words):
        if word.strip('"') == END and argument(word).key == END:
            return n
    return len(words)


def argument(word: str) -> Argument:
    """Return one word taken apart: a quote may open the word or the value."""
    body = word.removeprefix('"')
    quoted = len(body) < len(word)
    # An equals sign that comes first belongs to the name (next_arg).
    equals = body.find("=", 1)
    if equals < 0:
        return Argument(word, body.removesuffix('"') if quoted else body, None)
    key, value = body[:equals], body[equals + 1 :]
    if value.startswith('"'):
        value = value[1:].removesuffix('"')
    elif quoted:
        value = value.removesuffix('"')
    return Argument(word, key, value)


def join(words: tuple[str, ...]) -> str:
    """Return one line of raw words."""
    return " ".join(words)


def apply(words: tuple[str, ...], change: KernelArguments) -> tuple[str, ...]:
    """Return the words with a change made; all others stay, in their order.

    A new value takes the place of the first old one; further ones of the same
    parameter go, in either spelling. Words behind ``--`` are not touched. What
    is both to be removed and wanted stays.
    """
    cut = end_of_kernel(words)
    kept = {*change.set_, *(f"{key}={item}" for key, item in change.add_items)}
    gone = set(change.remove) - kept
    kernel = [word for word in words[:cut] if word not in gone]
    for key, item in change.remove_items:
        if (key, item) not in change.add_items:
            kernel = _without_items(kernel, key, item)
    for key, item in change.add_items:
        kernel = _with_item(kernel, key, item)
    for word in change.set_:
        kernel = _set(kernel, word)
    return (*kernel, *words[cut:])


def _set(kernel: list[str], word: str) -> list[str]:
    key = plain(argument(word).key)
    if key in ACCUMULATING:
        return kernel if word in kernel else [*kernel, word]
    places = _places(kernel, key)
    if not places:
        return [*kernel, word]
    further = frozenset(places[1:])
    kept = [old for n, old in enumerate(kernel) if n not in further]
    kept[places[0]] = word
    return kept


def _places(kernel: list[str], key: str) -> list[int]:
    wanted = plain(key)
    return [
        n
        for n, word in enumerate(kernel)
        # Taking a word apart costs more than a look at it.
        if wanted in plain(word) and plain(argument(word).key) == wanted
    ]


def _with_item(kernel: list[str], key: str, item: str) -> list[str]:
    """Put an item into a list: into the last word of that parameter."""
    places = _places(kernel, key)
    if not places:
        return [*kernel, f"{key}={item}"]
    held = argument(kernel[places[-1]])
    if item not in held.items:
        kernel[places[-1]] = _revalued(held, (*held.items, item))
    return kernel


def _without_items(kernel: list[str], key: str, item: str) -> list[str]:
    """Take an item out of every word of a parameter; an empty word goes."""
    left: list[str] = []
    places = frozenset(_places(kernel, key))
    for n, word in enumerate(kernel):
        held = argument(word) if n in places else None
        if held is None or item not in held.items:
            left.append(word)
        elif rest := tuple(each for each in held.items if each != item):
            left.append(_revalued(held, rest))
    return left


def _revalued(held: Argument, items: tuple[str, ...]) -> str:
    """Return the word with another value, its quotes where they were."""
    value = ",".join(items)
    if not held.value:
        return f"{held.key}={value}"
    head, _, tail = held.raw.rpartition(held.value)
    return f"{head}{value}{tail}"
