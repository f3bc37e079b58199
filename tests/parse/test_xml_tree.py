"""XML with positions: right to the byte, and safe whatever the text."""

from __future__ import annotations

import re
import tracemalloc
import xml.etree.ElementTree as Standard
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.calls import calls
from support.corpus import OURS
from support.rows import for_each
from vfio_doctor.lints.example import EXAMPLE
from vfio_doctor.parse.domain import domain_of
from vfio_doctor.parse.vm_form import LARGEST
from vfio_doctor.parse.xml_edit import add_child, applied
from vfio_doctor.parse.xml_tree import QEMU, Document, Refused, Spot, read

BOMB = (
    b"<?xml version='1.0'?>\n<!DOCTYPE d [<!ENTITY a 'aaaaaaaaaa'>"
    b"<!ENTITY b '&a;&a;&a;&a;&a;&a;'>]>\n<domain>&b;</domain>"
)
OUTSIDE = b"<!DOCTYPE d [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><domain>&x;</domain>"
BOUND = "<b xmlns:x0='y'/>"
DOMAINS = sorted((OURS / "domain-xml" / "libvirt").glob("*.xml"))


def refused(data: bytes) -> Refused:
    found = read(data)
    assert isinstance(found, Refused)
    return found


def document(data: bytes) -> Document:
    found = read(data)
    assert isinstance(found, Document), found
    return found


@for_each("path", DOMAINS, ids=lambda path: path.name)
def test_every_element_is_where_it_says(path: Path) -> None:
    held = document(path.read_bytes())
    data = held.source.data
    elements = list(held.root.every())
    for one in elements:
        text = data[one.start : one.end].decode()
        assert text.startswith(f"<{one.tag}")
        assert text.endswith(("/>", f"</{one.tag}>")), text
        spot = one.spot()
        assert held.source.line(spot.line)[spot.column - 1 :].startswith(f"<{one.tag}")
    standard = list(Standard.fromstring(path.read_bytes()).iter())
    assert len(standard) == len(elements)
    assert [e.get("type", "") for e in standard] == [e.get("type") for e in elements]


def test_attributes_have_places() -> None:
    text = "<domain>\n  <a\n   kind = \"x>y\"\n\ttype='qxl'/>ü<b c='1'/></domain>"
    one, other = document(text.encode()).root.children
    assert one.spot("kind") == Spot(3, 4, 12)
    assert one.spot("type") == Spot(4, 2, 10)
    assert one.spot("none") == one.spot() == Spot(2, 3, 2)
    assert other.spot() == Spot(4, 15, 10)


@for_each(
    ("data", "said"),
    [
        (BOMB, "xml-doctype"),
        (OUTSIDE, "xml-doctype"),
        (b"<domain>" * 101, "xml-too-deep"),
        (b"<a>" + b" " * LARGEST + b"</a>", "xml-too-large"),
        (b"", "xml-empty"),
        (b" \n", "xml-empty"),
        (b"<?xml version='1.0' encoding='shift_jis'?><domain/>", "xml-encoding"),
        (b"<domain>\n  \xe9</domain>", "xml-not-encoded"),
        (b"<domain>", "xml-cut"),
        (b"<domain>\x00</domain>", "xml-control"),
        (b"<domain>&nbsp;</domain>", "verbatim"),
    ],
)
def test_what_is_not_read(data: bytes, said: str) -> None:
    assert refused(data).message.id == said


def test_refusals_have_places() -> None:
    assert refused(BOMB).spot is not None
    assert refused(b"<domain>\n  \xe9</domain>").spot == Spot(2, 3)
    assert refused(b"<a>\n</b>").spot == Spot(2, 3)


@for_each(
    ("encoding", "head"),
    [
        ("utf-8", ""),
        ("utf-8-sig", ""),
        ("utf-16", "<?xml version='1.0' encoding='utf-16'?>"),
        ("iso-8859-1", "<?xml version='1.0' encoding='ISO-8859-1'?>"),
        ("utf-8", "<?xml version='1.0' encoding='utf-16'?>"),
    ],
)
def test_encodings(encoding: str, head: str) -> None:
    text = f"{head}<domain><name>größe</name></domain>"
    assert document(text.encode(encoding)).root.said("name") == "größe"


@given(st.binary(max_size=300))
def test_whatever_the_bytes_it_answers(data: bytes) -> None:
    assert isinstance(read(data), Document | Refused)


@given(st.integers(0, len(EXAMPLE) - 1), st.sampled_from("<>&'\"/ \n=\0é"))
def test_whatever_is_changed_it_answers(at: int, char: str) -> None:
    text = f"{EXAMPLE[:at]}{char}{EXAMPLE[at + 1 :]}"
    found = read(text.encode())
    if isinstance(found, Document):
        assert all(one.end > one.start for one in found.root.every())


def test_other_names_for_the_namespace() -> None:
    text = re.sub(r"qemu:(?=arg|commandline)", "q:", EXAMPLE)
    text = text.replace("xmlns:qemu", "xmlns:q")
    found = document(text.encode()).root
    assert len(list(found.all("qemu:commandline/qemu:arg"))) == 4


@for_each(
    ("text", "tags"),
    [
        (f"<d><a xmlns='{QEMU}'><b/></a><b/></d>", "d qemu:a qemu:b b"),
        (f"<d xmlns:q='{QEMU}'><q:a><b/></q:a></d>", "d qemu:a b"),
        (f"<d><a xmlns='{QEMU}'><b xmlns=''/><c/></a></d>", "d qemu:a b qemu:c"),
        (f"<d xmlns:q='{QEMU}'><q:a xmlns:q='x'><q:b/></q:a><q:c/></d>", None),
        ("<d xmlns='x'><q:a xmlns:q='y'/><b/></d>", "d q:a b"),
    ],
)
def test_names_of_the_namespace_however_it_is_declared(
    text: str, tags: str | None
) -> None:
    found = [one.tag for one in document(text.encode()).root.every()]
    assert found == (tags or "d q:a q:b qemu:c").split()
    standard = [one.tag for one in Standard.fromstring(text).iter()]
    assert [t.startswith("qemu:") for t in found] == [QEMU in t for t in standard]


def test_a_default_namespace_says_the_same() -> None:
    text = re.sub(r"qemu:(?=arg|commandline)", "", EXAMPLE)
    text = text.replace("<commandline>", f"<commandline xmlns='{QEMU}'>")
    text = text.replace("<name>win11", "<name>größe")
    held = document(text.encode())
    (line,) = held.root.all("qemu:commandline")
    assert len(list(line.all("qemu:arg"))) == 4
    assert text.encode()[line.start : line.end].endswith(b"</commandline>")
    one, other = domain_of(held), domain_of(read(EXAMPLE.encode()))
    assert other
    assert one
    assert one.shared.mapped
    assert one == other._replace(name=one.name)


def test_a_child_of_a_renamed_element_leaves_its_name() -> None:
    held = document(f"<d xmlns:q='{QEMU}'><q:a/></d>".encode())
    made = applied(held.source.data, (add_child(held.root.children[0], "<q:b/>"),))
    assert b"<q:a><q:b/></q:a></d>" in made


def peak(data: bytes) -> int:
    """Return how many bytes one reading takes at most."""
    tracemalloc.start()
    try:
        assert isinstance(read(data), Document)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.slow
@pytest.mark.parametrize("address", ["", QEMU])
def test_memory_grows_with_the_text_whatever_is_declared(address: str) -> None:
    def text(count: int) -> bytes:
        many = " ".join(f"xmlns:x{n}='{address}'" for n in range(count))
        return f"<a {many}>{BOUND * count}</a>".encode()

    small, large = text(3400), text(6800)
    assert len(large) > 200_000
    assert peak(large) < peak(small) * 2.6


def test_cost_grows_with_the_text() -> None:
    small, large = (f"<a>{'<b/>' * n}</a>".encode() for n in (500, 4000))
    assert calls(lambda: read(large)) < calls(lambda: read(small)) * 9
