"""Edits change what they name, and not one byte more."""

from __future__ import annotations

from support.rows import for_each
from vfio_doctor.parse import xml_edit
from vfio_doctor.parse.xml_edit import Edit, applied
from vfio_doctor.parse.xml_tree import Document, Element, read

TEXT = """<domain>\r
  <!-- ü: kept -->
  <a  kind = "x"/>
  <b>old</b><c
    d='1'></c>
</domain>"""


def tree() -> tuple[bytes, Element]:
    found = read(TEXT.encode())
    assert isinstance(found, Document)
    return found.source.data, found.root


def child(name: str) -> tuple[bytes, Element]:
    data, root = tree()
    found = root.first(name)
    assert found is not None
    return data, found


@for_each(
    ("name", "edit", "old", "new"),
    [
        (
            "a",
            lambda e: xml_edit.set_attribute(e, "kind", "y'<"),
            '"x"',
            '"y\'&lt;"',
        ),
        ("a", lambda e: xml_edit.set_attribute(e, "new", "y"), "<a ", "<a new='y' "),
        ("c", lambda e: xml_edit.set_attribute(e, "d", "2"), "d='1'", "d='2'"),
        ("b", lambda e: xml_edit.set_text(e, "new"), ">old<", ">new<"),
        ("b", lambda e: xml_edit.replace(e, "<n/>"), "<b>old</b>", "<n/>"),
        ("b", xml_edit.remove, "<b>old</b>", ""),
        ("a", xml_edit.remove, '  <a  kind = "x"/>\n', ""),
        ("a", lambda e: xml_edit.add_child(e, "<n/>"), '"x"/>', '"x"><n/></a>'),
        ("c", lambda e: xml_edit.add_child(e, "<n/>"), "'1'>", "'1'><n/>"),
        ("a", lambda e: xml_edit.add_before(e, "<n/>"), "  <a ", "  <n/>\n  <a "),
    ],
)
def test_one_change(name: str, edit: object, old: str, new: str) -> None:
    data, one = child(name)
    assert callable(edit)
    assert TEXT.count(old) == 1
    assert applied(data, [edit(one)]).decode() == TEXT.replace(old, new)


def test_a_part_of_a_value() -> None:
    data, one = child("c")
    edit = xml_edit.set_part(one, "d", "1", "22")
    assert edit is not None
    assert applied(data, [edit]).decode() == TEXT.replace("d='1'", "d='22'")
    assert xml_edit.set_part(one, "d", "2", "3") is None
    assert xml_edit.set_part(one, "e", "1", "3") is None


def test_the_first_of_two_that_overlap_is_made() -> None:
    edits = (Edit(2, 4, "x"), Edit(0, 3, "y"), Edit(0, 3, "y"), Edit(5, 5, "z"))
    assert applied(b"abcdefg", edits) == b"ydezfg"


def test_a_child_is_indented_like_the_others() -> None:
    data, root = tree()
    text = applied(data, [xml_edit.add_child(root, "<n/>")]).decode()
    assert text == TEXT.replace("<domain>", "<domain>\r\n  <n/>", 1)
