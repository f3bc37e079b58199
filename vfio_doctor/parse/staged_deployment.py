"""ostree's ``/run/ostree/staged-deployment``: what the next boot is made from.

A serialized GVariant of type ``a{sv}`` (ostree-sysroot-deploy.c), in the byte
order of the machine. Two keys matter here: ``kargs`` (``as``), the kernel's words,
and ``bootconfig-extra`` (``a{ss}``), keys of the boot entry such as
``x-options-source-NAME``. The format is that of the GVariant specification:
values are aligned, and containers of values without a fixed size end with
framing offsets of 1, 2, 4 or 8 bytes, as the container's whole size asks for.
"""

from __future__ import annotations

from vfio_doctor.value import NamedTuple

ENTRY_ALIGNMENT = 8


class StagedDeployment(NamedTuple):
    """The kernel's words of a staged deployment, and more keys of its entry."""

    words: tuple[str, ...]
    extra: tuple[tuple[str, str], ...] = ()


class _Broken(ValueError):
    """The bytes are not the GVariant that they should be."""


def parse(data: bytes) -> StagedDeployment | None:
    """Return what is staged; None where the bytes do not say it. Never raises."""
    try:
        held = dict(_entry(part) for part in _elements(data, ENTRY_ALIGNMENT))
        words = _variant(held.get("kargs", b""), "as")
        extra = held.get("bootconfig-extra")
        pairs = () if extra is None else _elements(_variant(extra, "a{ss}"), 1)
        return StagedDeployment(
            tuple(_text(part) for part in _elements(words, 1)),
            tuple(_pair(part) for part in pairs),
        )
    except (_Broken, UnicodeDecodeError):
        return None


def write(staged: StagedDeployment) -> bytes:
    """Return the bytes that `parse` reads so; other keys of ostree's are not there."""
    words = _array([_zero(word) for word in staged.words])
    entries = [_written_entry("kargs", words, "as")]
    if staged.extra:
        pairs = [_sized(_zero(k) + _zero(v), [len(_zero(k))]) for k, v in staged.extra]
        entries.append(_written_entry("bootconfig-extra", _array(pairs), "a{ss}"))
    return _array(entries, ENTRY_ALIGNMENT)


def _zero(text: str) -> bytes:
    return text.encode("utf-8", "replace") + b"\0"


def _written_entry(key: str, value: bytes, kind: str) -> bytes:
    name = _zero(key)
    body = name + bytes(-len(name) % ENTRY_ALIGNMENT) + value + b"\0" + kind.encode()
    return _sized(body, [len(name)])


def _array(parts: list[bytes], alignment: int = 1) -> bytes:
    body, ends = bytearray(), []
    for part in parts:
        body += bytes(-len(body) % alignment) + part
        ends.append(len(body))
    return _sized(bytes(body), ends) if parts else b""


def _sized(body: bytes, offsets: list[int]) -> bytes:
    """Return a container: its body, then its framing offsets, as small as they fit."""
    import sys

    size = next(n for n in (1, 2, 4, 8) if len(body) + n * len(offsets) < 1 << 8 * n)
    return body + b"".join(each.to_bytes(size, sys.byteorder) for each in offsets)


def _elements(data: bytes, alignment: int) -> tuple[bytes, ...]:
    """Return the parts of an array whose elements differ in size."""
    if not data:
        return ()
    size = _offset_size(len(data))
    table = _number(data, len(data) - size, size)
    if not len(data) - table > 0 or (len(data) - table) % size:
        raise _Broken
    parts, start = [], 0
    for at in range(table, len(data), size):
        end = _number(data, at, size)
        if not start <= end <= table:
            raise _Broken
        parts.append(data[start:end])
        start = _aligned(end, alignment)
    return tuple(parts)


def _entry(data: bytes) -> tuple[str, bytes]:
    """Return the key of a ``{sv}`` and its variant's bytes."""
    size = _offset_size(len(data))
    end = _number(data, len(data) - size, size)
    return _text(data[:end]), data[_aligned(end, ENTRY_ALIGNMENT) : len(data) - size]


def _pair(data: bytes) -> tuple[str, str]:
    """Return the two texts of a ``{ss}``."""
    size = _offset_size(len(data))
    end = _number(data, len(data) - size, size)
    return _text(data[:end]), _text(data[end : len(data) - size])


def _variant(data: bytes, wanted: str) -> bytes:
    """Return a variant's value: its type stands behind the last zero byte."""
    value, zero, kind = data.rpartition(b"\0")
    if not zero or kind != wanted.encode():
        raise _Broken
    return value


def _text(data: bytes) -> str:
    if not data.endswith(b"\0") or b"\0" in data[:-1]:
        raise _Broken
    return data[:-1].decode("utf-8")


def _number(data: bytes, at: int, size: int) -> int:
    if at < 0:
        raise _Broken
    import sys

    return int.from_bytes(data[at : at + size], sys.byteorder)


def _aligned(position: int, alignment: int) -> int:
    return -(-position // alignment) * alignment


def _offset_size(length: int) -> int:
    """Return the bytes of a framing offset in a container of that length."""
    return next(n for n in (1, 2, 4, 8) if length < 1 << 8 * n)
