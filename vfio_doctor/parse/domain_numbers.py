"""Numbers of libvirt's domain XML: amounts of memory, sets, octal and hexadecimal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.parse.whole_number import whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# libvirt's units (util/virutil.c, virScaleInteger), in KiB as (numerator, divisor).
UNITS = {
    "b": (1, 1024),
    "byte": (1, 1024),
    "bytes": (1, 1024),
    "kb": (1000, 1024),
    "k": (1, 1),
    "kib": (1, 1),
    "mb": (1000**2, 1024),
    "m": (1024, 1),
    "mib": (1024, 1),
    "gb": (1000**3, 1024),
    "g": (1024**2, 1),
    "gib": (1024**2, 1),
    "tb": (1000**4, 1024),
    "t": (1024**3, 1),
    "tib": (1024**3, 1),
    "pb": (1000**5, 1024),
    "p": (1024**4, 1),
    "pib": (1024**4, 1),
    "eb": (1000**6, 1024),
    "e": (1024**5, 1),
    "eib": (1024**5, 1),
}
MOST_NUMBERS = 4096
# Of one list, which may say a number several times; and of all lists of a VM: a
# thousand processors, each of which may run on a thousand.
MOST_SAID, MOST_OF_ALL = 4 * MOST_NUMBERS, 1 << 20


def kib(text: str | None, unit: str | None) -> int:
    """Return an amount in KiB, 0 if it is none; KiB is the default unit."""
    number = (text or "").strip()
    up, down = UNITS.get((unit or "KiB").lower(), (0, 1))
    if not (number.isascii() and number.isdigit()):
        return 0
    return int(number[:18]) * up // down


def number(text: str) -> int:
    """Return a number as libvirt reads it: 0x begins hexadecimal, 0 octal ones."""
    plain = text.strip()
    is_octal = plain.startswith("0") and plain.isdigit() and len(plain) > 1
    return int(plain, 8 if is_octal else 0)


def number_set(text: str) -> tuple[str, ...]:
    """Return the numbers of a list such as ``0,2-3,^1``, in their order.

    What is no such list has none; a range has no more than any machine's.
    """
    found: dict[str, None] = {}
    left = MOST_SAID
    # libvirt reads over a comma at the end.
    for part in text.strip().removesuffix(",").split(","):
        low, dash, high = part.strip().removeprefix("^").partition("-")
        first = whole(low.strip(), 5)
        last = whole(high.strip(), 5) if dash else first
        if first is None or last is None:
            return ()
        said = range(first, min(last, first + MOST_NUMBERS) + 1)
        left -= max(1, len(said))
        if left < 0:
            return ()
        if not part.strip().startswith("^"):
            found.update(dict.fromkeys(map(str, said)))
            continue
        for number in said:
            found.pop(str(number), None)
    return tuple(found)


def number_sets(texts: Iterable[str]) -> Iterator[tuple[str, ...]]:
    """Yield the numbers of each list of a VM; none once all have too many."""
    left = MOST_OF_ALL
    for text in texts:
        found = number_set(text) if left > 0 else ()
        left -= len(found)
        yield found
