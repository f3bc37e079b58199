"""Boot Loader Specification entries: lines of a key and a value."""

from __future__ import annotations

from vfio_doctor.value import NamedTuple

_SEGMENT = r"~|[0-9]+|[A-Za-z]+"
_COUNTER = r"\+([0-9]+)(?:-[0-9]+)?$"


def fields(text: str) -> tuple[tuple[str, str], ...]:
    """Return (key, value) of every line; comments and blank lines are left out.

    A key may come more than once (``options``, ``initrd``); the loader joins
    the values of ``options`` with a blank.
    """
    found: list[tuple[str, str]] = []
    for line in text.split("\n"):
        key, *value = line.split(maxsplit=1) or ("",)
        if key and not key.startswith("#"):
            found.append((key, value[0].rstrip() if value else ""))
    return tuple(found)


def options(text: str) -> str:
    """Return the kernel arguments of an entry, all its ``options`` lines joined."""
    return " ".join(value for key, value in fields(text) if key == "options")


def entry(text: str) -> dict[str, str]:
    """Return an entry by key: the last value, but all of ``options`` joined."""
    held = dict(fields(text))
    if "options" in held:
        held["options"] = options(text)
    return held


class EntryName(NamedTuple):
    """The name of an entry's file without ``.conf`` and boot counter.

    ``bad`` is true where the counter of automatic boot assessment says that all
    tries of this entry were used up (``name+0-3.conf``): it is booted last.
    """

    id: str
    bad: bool


def entry_name(path: str) -> EntryName:
    """Return what a path of an entry says (systemd: AUTOMATIC_BOOT_ASSESSMENT)."""
    import re

    name = path.rpartition("/")[2].removesuffix(".conf")
    counter = re.search(_COUNTER, name)
    if counter is None:
        return EntryName(name, False)
    return EntryName(name[: counter.start()], not int(counter[1]))


def version_key(text: str) -> tuple[tuple[int, int, str], ...]:
    """Return a sort key like rpm's comparison: numbers by value, ``~`` lowest."""
    import re

    found: list[tuple[int, int, str]] = []
    for part in re.findall(_SEGMENT, text):
        if part == "~":
            found.append((-1, 0, ""))
        elif part.isdigit():
            found.append((2, int(part[-4000:]), ""))
        else:
            found.append((1, 0, part))
    return (*found, (0, 0, ""))
