"""What a unit of systemd's sets for its process; never raises."""

from __future__ import annotations

from vfio_doctor.parse.whole_number import whole
from vfio_doctor.value import NamedTuple

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
INFINITY = 1 << 62


class Setting(NamedTuple):
    """One assignment of the section ``[Service]``."""

    key: str
    value: str
    line: int


def settings(text: str) -> tuple[Setting, ...]:
    """Return the assignments of a service, in their order."""
    section, found = "", []
    for number, line in enumerate(text.splitlines(), 1):
        body = line.strip()
        if body.startswith("[") and body.endswith("]"):
            section = body[1:-1]
        elif section == "Service" and not body.startswith(("#", ";")):
            key, equals, value = body.partition("=")
            if equals:
                found.append(Setting(key.strip(), value.strip(), number))
    return tuple(found)


def has_capability(values: tuple[str, ...], name: str) -> bool:
    """Tell whether the bounding sets, one after another, leave a capability.

    The first one replaces all that there is, more are added; ``~`` takes away, and
    an empty one leaves none (systemd.exec(5)).
    """
    held, untouched = True, True
    for value in values:
        taken = value.startswith("~")
        named = name in value.lstrip("~").split()
        if not value:
            held = False
        elif taken:
            held = held and not named
        else:
            held = named or (held and not untouched)
        untouched = False
    return held


def boolean(value: str) -> bool | None:
    """Return a boolean as systemd reads it (systemd.syntax(7)), None if it is none."""
    word = value.lower()
    if word in ("1", "yes", "y", "true", "t", "on"):
        return True
    return False if word in ("0", "no", "n", "false", "f", "off") else None


def limit_bytes(value: str) -> int | None:
    """Return a limit's hard value in bytes, None if it is none."""
    hard = value.rpartition(":")[2].strip()
    if hard == "infinity":
        return INFINITY
    plain = hard.rstrip("KMGT")
    number, unit = whole(plain), hard[len(plain) :]
    if number is None or unit not in _UNITS:
        return None
    return number * _UNITS[unit]
