"""A list is edited in place, and libvirt's own reader agrees on every text."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from support import corpus
from support.rows import for_each
from vfio_doctor.parse.libvirt_conf import parse, with_items, without_items

KEY = "cgroup_device_acl"
NODE = "/dev/kvmfr0"
LIBRARY = "libvirt.so.0"


@for_each(
    ("before", "after"),
    [
        (f'{KEY} = ["/dev/null"]\n', f'{KEY} = ["/dev/null", "{NODE}"]\n'),
        (f'{KEY} = [ "/dev/null" ] # c', f'{KEY} = [ "/dev/null", "{NODE}" ] # c'),
        (f'{KEY} = ["/dev/null", ]', f'{KEY} = ["/dev/null", "{NODE}" ]'),
        (f"{KEY} = []", f'{KEY} = ["{NODE}"]'),
        (
            f'{KEY} = [\n  "/dev/null",\n  "/dev/kvm"\n]\nuser = "a"\n',
            f'{KEY} = [\n  "/dev/null",\n  "/dev/kvm",\n  "{NODE}"\n]\nuser = "a"\n',
        ),
        (
            f'{KEY} = [\r\n\t"/dev/null",\r\n]\r\n',
            f'{KEY} = [\r\n\t"/dev/null",\r\n\t"{NODE}",\r\n]\r\n',
        ),
        (
            f'{KEY} = [ "/dev/null",\n  "/dev/kvm" ]\n',
            f'{KEY} = [ "/dev/null",\n  "/dev/kvm", "{NODE}" ]\n',
        ),
        ("", f'{KEY} = [\n    "{NODE}"\n]\n'),
        ("user = 'a'", f"user = 'a'\n{KEY} = [\n    \"{NODE}\"\n]\n"),
        (
            f'#{KEY} = [\n#  "/dev/null"\n#]\n# more\n',
            f'#{KEY} = [\n#  "/dev/null"\n#]\n{KEY} = [\n    "{NODE}"\n]\n# more\n',
        ),
    ],
)
def test_the_list_gets_what_it_lacks(before: str, after: str) -> None:
    assert with_items(before, KEY, (NODE,)) == after
    assert with_items(after, KEY, (NODE,)) == after


@pytest.mark.parametrize("text", ["user = qemu\n", f'{KEY} = "/dev/null"\n'])
def test_what_libvirt_refuses_is_not_edited(text: str) -> None:
    assert with_items(text, KEY, (NODE,)) is None
    assert with_items("", KEY, ('/dev/"x',)) is None


PIECES = st.sampled_from(
    [
        *('a = ["x", "y"]\n', 'a = [\n  "x",\n  "y"\n]\n', '#a = [\n#  "z"\n#]\n'),
        *("a", "b", "=", " = ", '"', '"x"', "'y'", '"""', ",", ", ", "[", "]", "é"),
        *("\n", "\r\n", "#", "# c\n", ";", "1", "-", "+2", "\t", " ", "_", "."),
    ]
)
TEXTS = st.lists(PIECES, max_size=10).map("".join)
VALUES = st.sampled_from(['"x"', "'y'", '"""z\n"""', '"n"'])
GAPS = st.sampled_from(["", " ", "\n", "\n  ", "\r\n\t", "\n\n"])


@st.composite
def written(draw: st.DrawFn) -> str:
    """A file that libvirt accepts: lists in every layout, and what is around them."""
    items = draw(st.lists(VALUES, max_size=4))
    gap, end = draw(GAPS), draw(GAPS)
    comma = draw(st.sampled_from(["", ","])) if items else ""
    held = f"a = [{gap}{f',{gap}'.join(items)}{comma}{end}]"
    rest = st.sampled_from(
        ["b = 1", "# a = 2", '#a = [\n#  "z"\n#]', "c = 'd' # e", held, ""]
    )
    lines = draw(st.lists(rest, max_size=4))
    ending = draw(st.sampled_from(["\n", "\r\n"]))
    return "".join(f"{line}{ending}" for line in lines if line) + draw(rest)


@given(written())
def test_nothing_is_taken_away_by_an_edit(text: str) -> None:
    edited = with_items(text, "a", ("x", "n"))
    assert edited is not None, text
    rest = iter(edited)
    assert all(char in rest for char in text)
    held = parse(text).setting("a")
    old = held.value if held and isinstance(held.value, tuple) else ()
    new = parse(edited).values["a"]
    assert new == (*old, *(item for item in ("x", "n") if item not in old))
    assert {**parse(edited).values, "a": 0} == {**parse(text).values, "a": 0}


@given(st.text(alphabet="ab=[]\"'#,\n\r\t 0-9é;", max_size=60))
def test_edits_never_raise(text: str) -> None:
    with_items(text, "a", ("x",))


def test_every_corpus_file_is_edited() -> None:
    for record in corpus.records("qemu-conf/INDEX.jsonl"):
        text = corpus.text(f"qemu-conf/{record['id']}")
        edited = with_items(text, KEY, ("/dev/null", NODE))
        if parse(text).wrong_line:
            assert edited is None
            continue
        assert edited is not None
        held = parse(edited).values[KEY]
        assert isinstance(held, tuple)
        assert held.count(NODE) == held.count("/dev/null") == 1


@cache
def _real() -> Callable[[str], tuple[bool, list[str]]]:
    """Return libvirt's own reader: whether it refuses a text, and its list ``a``."""
    lib = ctypes.CDLL(LIBRARY)
    assert lib.virInitialize() == 0
    lib.virConfReadString.restype = ctypes.c_void_p
    lib.virConfReadString.argtypes = [ctypes.c_char_p, ctypes.c_uint]
    items = ctypes.POINTER(ctypes.c_char_p)
    lib.virConfGetValueStringList.argtypes = [
        *(ctypes.c_void_p, ctypes.c_char_p, ctypes.c_bool, ctypes.POINTER(items)),
    ]
    lib.virConfFree.argtypes = [ctypes.c_void_p]
    lib.virSetErrorFunc(None, QUIET)

    def read(text: str) -> tuple[bool, list[str]]:
        conf = lib.virConfReadString(text.encode(), 0)
        if not conf:
            return True, []
        found = items()
        held = lib.virConfGetValueStringList(conf, b"a", False, ctypes.byref(found))
        values: list[str] = []
        while held == 1 and found[len(values)]:
            values.append(found[len(values)].decode())
        lib.virConfFree(conf)
        return False, values

    return read


QUIET = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(lambda *_: None)


@pytest.mark.slow
@pytest.mark.needs_tool(LIBRARY)
@settings(max_examples=400)
@given(TEXTS)
def test_libvirt_reads_the_same(text: str) -> None:
    # A list in a list is accepted there, and refused as soon as a setting asks.
    assume("[" not in text.partition("[")[2].partition("]")[0])
    read = _real()
    refused, values = read(text)
    conf = parse(text)
    assert bool(conf.wrong_line) == refused
    held = conf.setting("a")
    if not refused and held and held.only_texts:
        assert tuple(values) == held.value


@pytest.mark.slow
@pytest.mark.needs_tool(LIBRARY)
@settings(max_examples=200)
@given(written())
def test_libvirt_reads_what_was_edited(text: str) -> None:
    edited = with_items(text, "a", ("x", "n"))
    assert edited is not None
    held = parse(text).setting("a")
    old = held.value if held and isinstance(held.value, tuple) else ()
    refused, values = _real()(edited)
    assert not refused
    assert tuple(values) == (*old, *(i for i in ("x", "n") if i not in old))


@for_each(
    ("before", "after"),
    [
        (f'{KEY} = ["/dev/null", "{NODE}"]\n', f'{KEY} = ["/dev/null"]\n'),
        (f'{KEY} = ["{NODE}", "/dev/null"]\n', f'{KEY} = ["/dev/null"]\n'),
        (f'{KEY} = ["{NODE}"]\n', f"{KEY} = []\n"),
        (
            f'{KEY} = [\n  "/dev/null",\n  "{NODE}",\n]\n',
            f'{KEY} = [\n  "/dev/null",\n]\n',
        ),
        (
            f'{KEY} = [\r\n  "{NODE}",\r\n  "/dev/null"\r\n]\r\n',
            f'{KEY} = [\r\n  "/dev/null"\r\n]\r\n',
        ),
        (
            f'{KEY} = [\n  "/dev/null",\n  "{NODE}"\n]\n',
            f'{KEY} = [\n  "/dev/null"\n]\n',
        ),
        (
            f'{KEY} = [ "/dev/null", "{NODE}", "/dev/kvmfr1" ]',
            f'{KEY} = [ "/dev/null" ]',
        ),
    ],
)
def test_the_list_loses_what_it_has_too_much(before: str, after: str) -> None:
    assert without_items(before, KEY, (NODE, "/dev/kvmfr1")) == after


@for_each("text", ["user = qemu\n", f'{KEY} = "/dev/null"\n', ""])
def test_where_there_is_no_list_nothing_is_taken_out(text: str) -> None:
    assert without_items(text, KEY, (NODE,)) is None
