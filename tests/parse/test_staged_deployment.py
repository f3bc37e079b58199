"""Staged deployments: read as GLib writes them, and never a guess."""

from __future__ import annotations

import ctypes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.effort import examples
from support.ostree_files import array, entry, staged, strings
from support.rows import for_each
from vfio_doctor.parse.staged_deployment import StagedDeployment, parse

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
SAMPLE = (
    b"kargs\0\0\0rw\0quiet\0\x03\x09\0as\x06"  # key, padding, words, offsets, type
    b"\x17"
)


def test_a_small_one_byte_by_byte() -> None:
    assert parse(SAMPLE) == StagedDeployment(("rw", "quiet"))


@given(
    st.lists(TEXT, max_size=20),
    st.none() | st.lists(st.tuples(TEXT, TEXT), max_size=4),
)
def test_what_is_written_is_read(
    words: list[str], extra: list[tuple[str, str]] | None
) -> None:
    found = parse(staged(words, extra))
    assert found == StagedDeployment(tuple(words), tuple(extra or ()))


@for_each("size", [10, 300, 70_000])
def test_offsets_of_every_size(size: int) -> None:
    words = ["a" * size, "quiet"]
    assert parse(staged(words)) == StagedDeployment(tuple(words))


@examples(200)
@given(st.binary(max_size=300))
def test_no_bytes_break_it(data: bytes) -> None:
    parse(data)


@given(st.data())
def test_a_damaged_one_never_breaks_it(data: st.DataObject) -> None:
    whole = bytearray(staged(["quiet", "iommu=pt"], [("x-options-source-a", "b")]))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] = data.draw(st.integers(0, 255))
    parse(bytes(whole))
    parse(bytes(whole[:at]))


@for_each("data", [b"", b"x", b"staged", b"\0" * 40])
def test_what_says_nothing_is_nothing(data: bytes) -> None:
    assert parse(data) is None


LIBRARY = "libglib-2.0.so.0"


needs_glib = pytest.mark.needs_tool(LIBRARY)


def by_glib(text: str) -> bytes:
    """Have GLib itself serialize a value."""
    glib = ctypes.CDLL(LIBRARY)
    glib.g_variant_parse.restype = ctypes.c_void_p
    pointer = ctypes.c_void_p
    glib.g_variant_parse.argtypes = (
        pointer,
        ctypes.c_char_p,
        pointer,
        pointer,
        pointer,
    )
    glib.g_variant_get_size.argtypes = [ctypes.c_void_p]
    glib.g_variant_get_size.restype = ctypes.c_size_t
    glib.g_variant_store.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    value = glib.g_variant_parse(None, text.encode(), None, None, None)
    assert value, text
    room = ctypes.create_string_buffer(glib.g_variant_get_size(value))
    glib.g_variant_store(value, room)
    return room.raw


@needs_glib
@pytest.mark.parametrize("count", [0, 1, 5, 40, 9000])
def test_glib_writes_what_is_read(count: int) -> None:
    words = [f"word{n}=1" for n in range(count)]
    listed = ", ".join(f"'{word}'" for word in words)
    data = by_glib(
        "@a{sv} {'target': <('a', <1>)>, 'locked': <false>,"
        f" 'kargs': <@as [{listed}]>,"
        " 'bootconfig-extra': <{'x-options-source-vfio-doctor': 'a=1 b'}>}"
    )
    extra = (("x-options-source-vfio-doctor", "a=1 b"),)
    assert parse(data) == StagedDeployment(tuple(words), extra)


@needs_glib
def test_the_writer_of_these_tests_writes_as_glib() -> None:
    text = "@a{sv} {'kargs': <@as ['rw', 'quiet']>}"
    own = array([entry("kargs", strings(["rw", "quiet"]), "as")], 8)
    assert by_glib(text) == own
