"""How large KVMFR's shared memory has to be, and what a given size does.

The formulas are those of Looking Glass: the documentation of its display driver
(IDD) for the current releases, of its host application for B7 and older. What the
module makes of a value follows ``module/kvmfr.c`` and the kernel's params.c.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

MIB = 1 << 20
SMALLEST, LARGEST, USUAL = 32, 1024, 128
MOST_DEVICES = 10
TOO_LARGE = 2048


class Sizes(NamedTuple):
    """What the module makes of one ``static_size_mb`` value.

    ``mib`` is one size a device. ``errors`` say why it will not load or makes no
    device, ``doubts`` why QEMU or Looking Glass will not like what it makes.
    """

    mib: tuple[int, ...] = ()
    errors: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


def idd_bytes(width: int, height: int) -> int:
    """Return the bytes that the current releases need, SDR and HDR alike."""
    row = -(-width * 4 // 256) * 256
    return row * height * 3 + 4 * MIB


def b7_bytes(width: int, height: int, hdr: bool = False) -> int:
    """Return the bytes that release B7 and older ones need."""
    return width * height * (8 if hdr else 4) * 2 + 10 * MIB


def power_of_two_mib(size: int) -> int:
    """Return the least power of two of MiB that holds ``size`` bytes."""
    return 1 << (-(-size // MIB) - 1).bit_length()


def recommended_mib(modes: Iterable[tuple[int, int]]) -> int:
    """Return the size for the largest of these modes, 32 to 1024 MiB.

    The larger formula counts, since the release in use is not known; without a
    mode 128 MiB is returned, which holds 4K.
    """
    needs = [max(idd_bytes(w, h), b7_bytes(w, h)) for w, h in modes]
    if not needs:
        return USUAL
    return min(max(power_of_two_mib(max(needs)), SMALLEST), LARGEST)


def read(value: str | None) -> Sizes:
    """Return what the module makes of ``static_size_mb=VALUE``; never raises."""
    bad = unreadable(value)
    if bad or value is None:
        return Sizes(errors=bad)
    numbers = [_number(word) for word in value.split(",")]
    mib = tuple(number for number in numbers if number is not None)
    errors = tuple(error for n in mib for error in (_error(n),) if error)
    return Sizes(mib, errors, () if errors else tuple(_doubts(mib)))


def unreadable(value: str | None) -> tuple[str, ...]:
    """Return why the kernel cannot parse a value at all; () where it can."""
    if not value:
        return ("it has no value",)
    words = value.split(",")
    if len(words) > MOST_DEVICES:
        return (f"it lists more than {MOST_DEVICES} sizes",)
    return tuple(
        f"{word!r} is not a plain number of MiB"
        for word in words
        if _number(word) is None
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


def _error(mib: int) -> str:
    if mib <= 0:
        return f"{mib} MiB: the module cannot make a device of that size"
    if mib >= TOO_LARGE:
        return f"{mib} MiB: the module can make at most {LARGEST} MiB"
    return ""


def _doubts(sizes: tuple[int, ...]) -> Iterable[str]:
    for mib in sizes:
        if mib & (mib - 1):
            yield f"{mib} MiB is no power of two: QEMU stops with an error"
        elif mib < SMALLEST:
            yield f"{mib} MiB holds less than a 1920x1080 picture"
