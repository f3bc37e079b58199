"""libvirt's configuration files, as src/util/virconf.c reads them: qemu.conf."""

from __future__ import annotations

from vfio_doctor.value import NamedTuple

Value = str | int | tuple[str, ...]

BLANKS = " \t"
SPACE = " \t\r\n"


class LibvirtConf(NamedTuple):
    """The settings in force and the shipped, commented-out defaults.

    ``values`` holds the last assignment of each key, ``repeated`` the keys that
    are assigned more than once. ``wrong_line`` is the line for which libvirt refuses
    the whole file, or 0. ``defaults`` are lines such as ``#user = "qemu"``.
    """

    values: dict[str, Value]
    defaults: dict[str, Value]
    repeated: tuple[str, ...] = ()
    wrong_line: int = 0

    def text(self, key: str) -> str:
        """Return a setting that is text or a number, as text; "" where unset."""
        value = self.values.get(key, "")
        return "" if isinstance(value, tuple) else str(value)

    def default(self, key: str) -> str:
        """Return the commented-out default as text; "" where there is none."""
        value = self.defaults.get(key, "")
        return "" if isinstance(value, tuple) else str(value)


def parse(text: str) -> LibvirtConf:
    """Return the settings of a file such as ``/etc/libvirt/qemu.conf``.

    Never raises; what stands before a fault is still returned.
    """
    values: dict[str, Value] = {}
    repeated: list[str] = []
    wrong_line = 0
    at = _next(text, 0)
    while at < len(text):
        found = _setting(text, at)
        if found is None:
            wrong_line = text.count("\n", 0, at) + 1
            break
        key, value, at = found
        if key in values:
            repeated.append(key)
        values[key] = value
        at = _next(text, at)
    return LibvirtConf(values, _defaults(text), tuple(repeated), wrong_line)


def _next(text: str, at: int) -> int:
    """Return where the next setting starts, past blanks and comments."""
    while at < len(text):
        if text[at] == "#":
            end = text.find("\n", at)
            at = len(text) if end < 0 else end
        elif text[at] in SPACE:
            at += 1
        else:
            break
    return at


def _setting(text: str, at: int) -> tuple[str, Value, int] | None:
    end = at
    while end < len(text) and (text[end].isalnum() or text[end] in "_-."):
        end += 1
    equals = _skip(text, end, BLANKS)
    if end == at or not text.startswith("=", equals):
        return None
    found = _value(text, _skip(text, equals + 1, BLANKS))
    if found is None:
        return None
    value, after = found
    rest = _skip(text, after, BLANKS + "\r")
    if rest < len(text) and text[rest] not in "\n#":
        return None
    return text[at:end], value, rest


def _value(text: str, at: int) -> tuple[Value, int] | None:
    if text.startswith("[", at):
        return _list(text, at + 1)
    return _scalar(text, at)


def _scalar(text: str, at: int) -> tuple[str | int, int] | None:
    if text.startswith('"""', at):
        end = text.find('"""', at + 3)
        return None if end < 0 else (text[at + 3 : end], end + 3)
    quote = text[at : at + 1]
    if quote in ("'", '"'):
        end = text.find(quote, at + 1)
        line_end = text.find("\n", at)
        if end < 0 or 0 <= line_end < end:
            return None
        return text[at + 1 : end], end + 1
    end = at + (quote == "-")
    while end < len(text) and text[end] in "0123456789":
        end += 1
    if end - at > 20 or not text[at:end].lstrip("-"):
        return None
    return int(text[at:end]), end


def _list(text: str, at: int) -> tuple[tuple[str, ...], int] | None:
    items: list[str] = []
    at = _next(text, at)
    while not text.startswith("]", at):
        found = _scalar(text, at)
        if found is None:
            return None
        items.append(str(found[0]))
        at = _next(text, found[1])
        if text.startswith(",", at):
            at = _next(text, at + 1)
        elif not text.startswith("]", at):
            return None
    return tuple(items), at + 1


def _defaults(text: str) -> dict[str, Value]:
    """Read ``#key = value``; examples have blanks behind the ``#``."""
    found: dict[str, Value] = {}
    for line in text.splitlines():
        if line.startswith("#") and line[1:2].isalpha() and "[" not in line:
            setting = _setting(line, 1)
            if setting is not None:
                found[setting[0]] = setting[1]
    return found


def _skip(text: str, at: int, chars: str) -> int:
    while at < len(text) and text[at] in chars:
        at += 1
    return at
