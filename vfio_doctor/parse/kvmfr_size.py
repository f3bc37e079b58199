"""Read ``static_size_mb`` as the kernel's params.c does: ints, with commas between."""

from __future__ import annotations

from enum import Enum

from vfio_doctor.value import NamedTuple

MOST_DEVICES = 10


class FlawKind(Enum):
    """Why the kernel cannot parse a value."""

    NO_VALUE = "no-value"
    TOO_MANY = "too-many"
    NOT_A_NUMBER = "not-a-number"


class Flaw(NamedTuple):
    """One thing that the kernel cannot parse; ``word`` is the part it is about."""

    kind: FlawKind
    word: str = ""


def numbers(value: str) -> tuple[int, ...]:
    """Return the numbers of a value that `unreadable` has nothing against."""
    read = (_number(word) for word in value.split(","))
    return tuple(number for number in read if number is not None)


def unreadable(value: str | None) -> tuple[Flaw, ...]:
    """Return why the kernel cannot parse a value at all; () if it can."""
    if not value:
        return (Flaw(FlawKind.NO_VALUE),)
    words = value.split(",")
    if len(words) > MOST_DEVICES:
        return (Flaw(FlawKind.TOO_MANY),)
    return tuple(
        Flaw(FlawKind.NOT_A_NUMBER, word) for word in words if _number(word) is None
    )


def _number(word: str) -> int | None:
    """Read an int as the kernel does: decimal, 0x hexadecimal, 0 octal."""
    digits = word[1:] if word[:1] in ("-", "+") else word
    base = 10
    if digits[:2] in ("0x", "0X"):
        digits, base = digits[2:], 16
    elif digits[:1] == "0" and len(digits) > 1:
        base = 8
    if not digits or not digits.isascii() or not digits.isalnum() or len(digits) > 20:
        return None
    try:
        number = int(digits, base)
    except ValueError:
        return None
    number = -number if word.startswith("-") else number
    return number if -(1 << 31) <= number < 1 << 31 else None
