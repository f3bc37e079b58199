"""libvirt's configuration files, as src/util/virconf.c reads them: qemu.conf.

Positions are kept, so that a list can be edited with all else left as it is.
"""

from __future__ import annotations

import re

from vfio_doctor.value import NamedTuple

Value = str | int | tuple[str, ...]

BLANKS = " \t"
ENDS = "\r\n"
SPACE = BLANKS + ENDS
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
DIGITS = "0123456789"
NAME = f"{LETTERS}{DIGITS}_"
_END = re.compile(r"[\r\n]")
INDENT = "    "
# Lines of a commented-out list.
LONGEST_DEFAULT = 64


class Item(NamedTuple):
    """One value of a list, quotes included in its span."""

    value: str
    start: int
    end: int
    is_text: bool


class Setting(NamedTuple):
    """One ``key = value``; the span is that of the value, ``line`` counts from 1."""

    key: str
    value: Value
    start: int
    end: int
    line: int
    items: tuple[Item, ...] = ()

    @property
    def only_texts(self) -> bool:
        """Tell whether a list holds nothing that libvirt refuses in one of texts."""
        return isinstance(self.value, tuple) and all(i.is_text for i in self.items)


class LibvirtConf(NamedTuple):
    """The settings in force and the shipped, commented-out defaults.

    ``settings`` are all assignments in their order; of several of one key the first
    is in force, and the key is in ``repeated``. ``wrong_line`` is the line for
    which libvirt refuses the whole file, or 0. ``defaults`` are commented-out
    settings such as ``#user = "qemu"``, lists over several lines too.
    """

    settings: tuple[Setting, ...]
    defaults: tuple[Setting, ...]
    repeated: tuple[str, ...] = ()
    wrong_line: int = 0

    @property
    def values(self) -> dict[str, Value]:
        """Return the values in force."""
        return {s.key: s.value for s in reversed(self.settings)}

    def setting(self, key: str) -> Setting | None:
        """Return the assignment that is in force, or None."""
        return next((s for s in self.settings if s.key == key), None)

    def default_setting(self, key: str) -> Setting | None:
        """Return the commented-out assignment, or None."""
        return next((s for s in reversed(self.defaults) if s.key == key), None)

    def text(self, key: str) -> str:
        """Return a setting that is text or a number, as text; "" where unset."""
        return _plain(self.setting(key))

    def default(self, key: str) -> str:
        """Return the commented-out default as text; "" where there is none."""
        return _plain(self.default_setting(key))


def _plain(setting: Setting | None) -> str:
    if setting is None or isinstance(setting.value, tuple):
        return ""
    return str(setting.value)


def parse(text: str) -> LibvirtConf:
    """Return the settings of a file such as ``/etc/libvirt/qemu.conf``.

    Never raises; what stands before a fault is still returned.
    """
    found: list[Setting] = []
    repeated: list[str] = []
    known: set[str] = set()
    lines = _Lines(text)
    wrong_line, at = 0, 0
    while at < len(text):
        start = _skip(text, at, SPACE)
        if text.startswith("#", start):
            at = _separator(text, _line_end(text, start))
            continue
        setting = _setting(text, start, lines)
        after = _after(text, setting.end) if setting else -1
        if setting is None or after < 0:
            wrong_line = lines.number(min(start, len(text) - 1))
            if setting is not None:
                wrong_line = lines.number(min(setting.end, len(text) - 1))
            break
        if setting.key in known:
            repeated.append(setting.key)
        known.add(setting.key)
        found.append(setting)
        at = after
    return LibvirtConf(tuple(found), _defaults(text), tuple(repeated), wrong_line)


class _Lines:
    """Numbers of lines, counted on as the reading goes on."""

    def __init__(self, text: str) -> None:
        self.text, self.at, self.count = text, 0, 1

    def number(self, at: int) -> int:
        if at > self.at:
            self.count += self.text.count("\n", self.at, at)
            self.at = at
        return self.count


def _line_end(text: str, at: int) -> int:
    found = _END.search(text, at)
    return found.start() if found else len(text)


def _after(text: str, at: int) -> int:
    """Return where the next statement may start, -1 if something else follows."""
    at = _skip(text, at, BLANKS)
    if text.startswith("#", at):
        at = _line_end(text, at)
    return _separator(text, at)


def _separator(text: str, at: int) -> int:
    at = _skip(text, at, BLANKS)
    if at >= len(text):
        return at
    if text[at] == ";":
        return _skip(text, at + 1, SPACE)
    return _skip(text, at, SPACE) if text[at] in ENDS else -1


def _setting(text: str, at: int, lines: _Lines) -> Setting | None:
    if text[at : at + 1] not in LETTERS or at >= len(text):
        return None
    end = _skip(text, at, NAME)
    equals = _skip(text, end, BLANKS)
    if not text.startswith("=", equals):
        return None
    start = _skip(text, equals + 1, BLANKS)
    line = lines.number(at)
    if text.startswith("[", start):
        items, closed = _list(text, start + 1)
        if closed < 0:
            return None
        values = tuple(item.value for item in items)
        return Setting(text[at:end], values, start, closed, line, tuple(items))
    value = _scalar(text, start)
    return value and Setting(text[at:end], value[0], start, value[1], line)


def _scalar(text: str, at: int) -> tuple[str | int, int] | None:
    if at + 6 < len(text) and text.startswith('"""', at):
        end = text.find('"""', at + 3)
        return None if end < 0 else (text[at + 3 : end], end + 3)
    quote = text[at : at + 1]
    if quote in ("'", '"'):
        end = text.find(quote, at + 1)
        if end < 0 or _line_end(text, at) < end:
            return None
        return text[at + 1 : end], end + 1
    digits = at + (quote in ("-", "+"))
    end = _skip(text, digits, DIGITS)
    if end == digits:
        return None
    number = int(text[digits : min(end, digits + 18)])
    return (-number if quote == "-" else number), end


def _list(text: str, at: int) -> tuple[list[Item], int]:
    """Return the values and the end of a list, -1 if libvirt refuses it.

    A comment inside of a list is such a fault, a comma at its end is none.
    """
    items: list[Item] = []
    at = _skip(text, at, SPACE)
    while not text.startswith("]", at):
        found = _scalar(text, at)
        if found is None:
            return [], -1
        is_text = isinstance(found[0], str)
        items.append(Item(str(found[0]), at, found[1], is_text))
        at = _skip(text, found[1], SPACE)
        if text.startswith(",", at):
            at = _skip(text, at + 1, SPACE)
        elif not text.startswith("]", at):
            return [], -1
    return items, at + 1


def _defaults(text: str) -> tuple[Setting, ...]:
    """Read ``#key = value``; examples have blanks behind the ``#``.

    The span is that of the lines, the last one's end included.
    """
    found: list[Setting] = []
    block: list[str] = []
    at = first = start = 0
    for number, line in enumerate(text.split("\n"), 1):
        body = line[1:] if line.startswith("#") else ""
        if block and body and len(block) < LONGEST_DEFAULT:
            block.append(body)
        elif body and body[0] in LETTERS:
            block, first, start = [body], number, at
        else:
            block = []
        at = min(at + len(line) + 1, len(text))
        if block and "[" in block[0] and "]" not in body:
            continue
        setting = _setting("\n".join(block), 0, _Lines("")) if block else None
        if setting:
            found.append(setting._replace(start=start, end=at, line=first))
        block = []
    return tuple(found)


def with_items(text: str, key: str, wanted: tuple[str, ...]) -> str | None:
    """Return the text with a list in which these stand too; None if it has no place.

    The list that is in force gets them at its end, in its own layout. If there is
    none, one with exactly these is written behind the commented-out one, or at the
    end. Nothing else in the text changes.
    """
    conf = parse(text)
    if conf.wrong_line or any(set('"\n\r') & set(item) for item in wanted):
        return None
    held = conf.setting(key)
    if held is None:
        return _new_list(text, conf.default_setting(key), key, wanted)
    if not isinstance(held.value, tuple):
        return None
    missing = [item for item in wanted if item not in held.value]
    return _longer(text, held, missing) if missing else text


def _longer(text: str, held: Setting, missing: list[str]) -> str:
    closing = held.end - 1
    quoted = ", ".join(f'"{item}"' for item in missing)
    if not held.items:
        return f"{text[: held.start + 1]}{quoted}{text[held.start + 1 :]}"
    last = held.items[-1].end
    line = text.rfind("\n", 0, closing) + 1
    comma = text.find(",", last, closing)
    if line <= last or text[line:closing].strip():
        at = last if comma < 0 else comma + 1
        lead = ", " if comma < 0 else " "
        return f"{text[:at]}{lead}{quoted}{text[at:]}"
    ending = "\r\n" if text[line - 2 : line] == "\r\n" else "\n"
    row = f"{_indent(text, held)}{quoted}{',' if comma >= 0 else ''}{ending}"
    first = "," if comma < 0 else ""
    return f"{text[:last]}{first}{text[last:line]}{row}{text[line:]}"


def _indent(text: str, held: Setting) -> str:
    start = held.items[-1].start
    line = text.rfind("\n", 0, start) + 1
    end = _skip(text, line, BLANKS)
    return text[line:end] if line > held.start else INDENT


def _new_list(
    text: str, default: Setting | None, key: str, wanted: tuple[str, ...]
) -> str:
    ending = "\r\n" if "\r\n" in text else "\n"
    # libvirt takes a comma behind the last one, its Augeas lens does not.
    rows = f",{ending}".join(f'{INDENT}"{item}"' for item in wanted)
    block = f"{key} = [{ending}{rows}{ending}]{ending}"
    at = default.end if default else len(text)
    before = text[:at]
    if before and not before.endswith("\n"):
        before += ending
    return f"{before}{block}{text[at:]}"


def _skip(text: str, at: int, chars: str) -> int:
    while at < len(text) and text[at] in chars:
        at += 1
    return at


def without_items(text: str, key: str, unwanted: tuple[str, ...]) -> str | None:
    """Return the text with these out of a list in force; None if it has no such list.

    A value that has a line to itself goes with the line.
    """
    conf = parse(text)
    held = conf.setting(key)
    if conf.wrong_line or held is None or not isinstance(held.value, tuple):
        return None
    for item in reversed(held.items):
        if item.value in unwanted:
            text = _shorter(text, held, item)
    return text


def _shorter(text: str, held: Setting, item: Item) -> str:
    end = _skip(text, item.end, BLANKS)
    if text[end : end + 1] == ",":
        after = _skip(text, end + 1, BLANKS)
        line = text.rfind("\n", 0, item.start) + 1
        alone = not text[line : item.start].strip()
        if alone and text[after : after + 1] in ("\r", "\n"):
            return text[:line] + text[_skip(text, after, "\r") + 1 :]
        return text[: item.start] + text[after:]
    before = text.rfind(",", held.start, item.start)
    return (text[:before] if before > 0 else text[: item.start]) + text[item.end :]
