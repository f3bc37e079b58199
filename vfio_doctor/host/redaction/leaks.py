"""The second pass: search a finished archive for every value that was replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from vfio_doctor.host.redaction.pseudonyms import Pseudonyms


class Leak(NamedTuple):
    """A private value that is still there: what kind, in which member."""

    kind: str
    member: str


def search(held: Mapping[str, bytes], names: Pseudonyms) -> tuple[Leak, ...]:
    """Return every leak in members and their names, sorted; () where it is clean."""
    found = {
        Leak(kind, names.apply(member))
        for member, data in held.items()
        for text in _readings(member, data)
        for kind in names.kinds_in(text)
    }
    return tuple(sorted(found))


def _readings(member: str, data: bytes) -> Iterator[str]:
    """Yield every text that the bytes may be read as."""
    from urllib.parse import unquote

    yield member
    if "%" in member:
        yield unquote(member, errors="surrogateescape")
    yield data.decode("utf-8", "surrogateescape")
    if b"\0" in data:
        yield data.replace(b"\0", b"").decode("utf-8", "surrogateescape")
    if member.endswith(".json") and b"\\u" in data:
        yield _unescaped(data)


def _unescaped(data: bytes) -> str:
    """Return JSON with its escapes undone, "" for what is none."""
    import json

    try:
        return json.dumps(json.loads(data), ensure_ascii=False)
    except (ValueError, RecursionError):
        return ""
