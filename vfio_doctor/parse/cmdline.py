"""The kernel command line: split it as the kernel does, edit exact words.

Sources: ``next_arg`` and ``parse_args`` of the kernel (lib/cmdline.c,
kernel/params.c). Double quotes keep blanks together and are taken off the value;
``--`` ends the kernel's part; in parameter names ``-`` and ``_`` are equal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.model import KernelArguments

BLANK = " \t\n\r\v\f"
# Each word of these stands for itself; a second one does not replace the first.
ACCUMULATING = (
    "rd.driver.pre",
    "rd.driver.post",
    "rd.driver.blacklist",
    "modprobe.blacklist",
    "module_blacklist",
    "modules_load",
    "rd.modules_load",
    "initcall_blacklist",
    "console",
    "earlycon",
    "rd.luks.uuid",
    "rd.luks.name",
    "rd.luks.options",
    "rd.lvm.lv",
    "rd.md.uuid",
    "video",
    "systemd.mask",
    "systemd.wants",
    "hugepages",
    "hugepagesz",
)


class Argument(NamedTuple):
    """One word: as it stands, its name, and its value (None: no ``=``)."""

    raw: str
    key: str
    value: str | None


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
    return tuple(_words(text))


def _words(text: str) -> Iterator[str]:
    start, quoted = -1, False
    for n, char in enumerate(text):
        if char == '"':
            quoted = not quoted
        if char in BLANK and not quoted:
            if start >= 0:
                yield text[start:n]
            start = -1
        elif start < 0:
            start = n
    if start >= 0:
        yield text[start:]


def parse(text: str) -> CommandLine:
    """Return the command line as the kernel understands it; never raises."""
    raw = list(_words(text.partition("\0")[0]))
    kernel = raw[: raw.index("--")] if "--" in raw else raw
    return CommandLine(
        tuple(argument(word) for word in kernel), tuple(raw[len(kernel) + 1 :])
    )


def argument(word: str) -> Argument:
    """Return one word taken apart: a quote may open the word or the value."""
    body = word
    if body.startswith('"'):
        body = body[1:].removesuffix('"')
    key, equals, value = body.partition("=")
    if not equals:
        return Argument(word, body, None)
    if value.startswith('"'):
        value = value[1:].removesuffix('"')
    return Argument(word, key, value)


def join(words: tuple[str, ...]) -> str:
    """Return one line of raw words."""
    return " ".join(words)


def apply(words: tuple[str, ...], change: KernelArguments) -> tuple[str, ...]:
    """Return the words with a change made; all others stay, in their order.

    A new value takes the place of the first old one; further ones of the same
    parameter go, in either spelling. Words behind ``--`` are not touched.
    """
    cut = words.index("--") if "--" in words else len(words)
    kernel, init = list(words[:cut]), words[cut:]
    kernel = [word for word in kernel if word not in change.remove]
    for key, item in change.remove_items:
        kernel = _edit_items(kernel, key, item, "")
    for key, item in change.add_items:
        kernel = _edit_items(kernel, key, "", item)
    for word in change.set_:
        kernel = _set(kernel, word)
    return (*kernel, *init)


def _set(kernel: list[str], word: str) -> list[str]:
    key = plain(argument(word).key)
    if key in ACCUMULATING:
        return kernel if word in kernel else [*kernel, word]
    places = [n for n, old in enumerate(kernel) if plain(argument(old).key) == key]
    if not places:
        return [*kernel, word]
    kept = [old for n, old in enumerate(kernel) if n not in places[1:]]
    kept[places[0]] = word
    return kept


def _edit_items(kernel: list[str], key: str, take: str, put: str) -> list[str]:
    """Edit inside the comma-separated value of a parameter, the last one given."""
    places = [
        n for n, word in enumerate(kernel) if plain(argument(word).key) == plain(key)
    ]
    if take:
        edited = [
            _without_item(word, take) if n in places else word
            for n, word in enumerate(kernel)
        ]
        return [word for word in edited if word]
    if not places:
        return [*kernel, f"{key}={put}"]
    held = argument(kernel[places[-1]])
    items = held.value.split(",") if held.value else []
    if put not in items:
        kernel[places[-1]] = f"{held.key}={','.join([*items, put])}"
    return kernel


def _without_item(word: str, item: str) -> str:
    held = argument(word)
    items = (held.value or "").split(",")
    if item not in items:
        return word
    left = [each for each in items if each != item]
    return f"{held.key}={','.join(left)}" if left else ""
