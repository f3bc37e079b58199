"""Write ``staged-deployment`` as ostree does: a GVariant of type ``a{sv}``."""

from __future__ import annotations

import sys


def offset(value: int, size: int) -> bytes:
    return value.to_bytes(size, sys.byteorder)


def sized(body: bytes, offsets: list[int]) -> bytes:
    """A container: its body, then its framing offsets, as small as they fit."""
    for size in (1, 2, 4, 8):
        whole = len(body) + size * len(offsets)
        if whole < 1 << 8 * size:
            return body + b"".join(offset(each, size) for each in offsets)
    raise ValueError(body)


def array(parts: list[bytes], alignment: int = 1) -> bytes:
    body, ends = b"", []
    for part in parts:
        body += b"\0" * (-len(body) % alignment) + part
        ends.append(len(body))
    return sized(body, ends) if parts else b""


def entry(key: str, value: bytes, kind: str) -> bytes:
    name = key.encode() + b"\0"
    body = name + b"\0" * (-len(name) % 8) + value + b"\0" + kind.encode()
    return sized(body, [len(name)])


def strings(words: list[str]) -> bytes:
    return array([word.encode() + b"\0" for word in words])


def pairs(extra: list[tuple[str, str]]) -> bytes:
    parts = []
    for key, value in extra:
        name = key.encode() + b"\0"
        parts.append(sized(name + value.encode() + b"\0", [len(name)]))
    return array(parts)


def staged(words: list[str], extra: list[tuple[str, str]] | None = None) -> bytes:
    entries = [entry("target", b"x", "y"), entry("kargs", strings(words), "as")]
    if extra is not None:
        entries.append(entry("bootconfig-extra", pairs(extra), "a{ss}"))
    return array(entries, 8)
