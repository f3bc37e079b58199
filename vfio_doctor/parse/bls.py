"""Boot Loader Specification entries: lines of a key and a value."""

from __future__ import annotations

from vfio_doctor.value import NamedTuple

_SEGMENT = r"~|[0-9]+|[A-Za-z]+"
_COUNTER = r"\+([0-9]+)(?:-[0-9]+)?$"
BLANK = " \t"
QUOTES = "'\""


def lines(text: str) -> list[str]:
    r"""Return the lines with their ends; a loader ends one at ``\r`` as well."""
    import re

    return re.findall(r"[^\r\n]+(?:\r\n|\r|\n)?|\r\n|\r|\n", text)


def value_span(line: str, key: str) -> tuple[int, int] | None:
    """Return where the value stands in a line of that key, None for other lines.

    A value that is quoted as a whole loses its quotes, as in systemd-boot.
    """
    body = line.rstrip("\r\n").rstrip(BLANK)
    start = len(body) - len(body.lstrip(BLANK))
    if not body.startswith(key, start):
        return None
    start += len(key)
    if start < len(body) and body[start] not in BLANK:
        return None
    while start < len(body) and body[start] in BLANK:
        start += 1
    end = len(body)
    if end - start > 1 and body[start] in QUOTES and body[end - 1] == body[start]:
        return start + 1, end - 1
    return start, end


def fields(text: str) -> tuple[tuple[str, str], ...]:
    """Return (key, value) of every line; comments and blank lines are left out.

    A key may come more than once (``options``, ``initrd``); the loader joins
    the values of ``options`` with a blank. A key without a value is passed over.
    """
    found: list[tuple[str, str]] = []
    for line in lines(text):
        body = line.strip(f"{BLANK}\r\n")
        key = body.replace("\t", " ").partition(" ")[0]
        span = None if body.startswith("#") else value_span(line, key)
        if key and span is not None and span[0] < span[1]:
            found.append((key, line[span[0] : span[1]]))
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


def starts_program(held: dict[str, str]) -> bool:
    """Tell whether an entry starts a program that holds its own arguments.

    Options of an entry take the place of those that are built in, ``root=``
    included: an entry without any must not get them.
    """
    return "options" not in held and ("uki" in held or "efi" in held)


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
