"""Boot Loader Specification entries: lines of a key and a value."""

from __future__ import annotations


def fields(text: str) -> tuple[tuple[str, str], ...]:
    """Return (key, value) of every line; comments and blank lines are left out.

    A key may come more than once (``options``, ``initrd``); the loader joins
    the values of ``options`` with a blank.
    """
    found: list[tuple[str, str]] = []
    for line in text.splitlines():
        key, _, value = line.strip().replace("\t", " ").partition(" ")
        if key and not key.startswith("#"):
            found.append((key, value.strip()))
    return tuple(found)


def options(text: str) -> str:
    """Return the kernel arguments of an entry, all its ``options`` lines joined."""
    return " ".join(value for key, value in fields(text) if key == "options")
