"""Small changes of an XML text that leave every other byte as it is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vfio_doctor.parse.xml_tree import Element

_COMMENT = re.compile(rb"<!--.*?-->", re.DOTALL)
# A comment or an instruction, or what is text: it may be marked to be just that.
_IN_TEXT = re.compile(
    rb"<!--.*?-->|<\?.*?\?>|(<!\[CDATA\[.*?\]\]>|[^<\s](?:[^<]*[^<\s])?)", re.DOTALL
)
_QUOTED = {"&": "&amp;", "<": "&lt;", '"': "&quot;", "'": "&apos;"}


class Edit(NamedTuple):
    """Put ``text`` in place of some bytes."""

    start: int
    end: int
    text: str


def set_attribute(element: Element, name: str, value: str) -> Edit:
    """Return what gives an attribute a value, in the quotes that stand there."""
    head, found = element.head, _value(element, name)
    kept = '"' if found and found[1] == "'" else "'"
    quoted = "".join(c if c == kept else _QUOTED.get(c, c) for c in value)
    if found:
        start = element.start + len(head[: found.start(2)].encode())
        return Edit(start, start + len(found[2].encode()), quoted)
    behind = re.match(r"<[^\s/>]+", head)
    at = element.start + len(behind[0].encode() if behind else b"")
    return Edit(at, at, f" {name}='{quoted}'")


def set_part(element: Element, name: str, old: str, new: str) -> Edit | None:
    """Return what replaces a part of an attribute, None if it is not there once."""
    found = _value(element, name)
    if found is None or found[2].count(old) != 1:
        return None
    at = found.start(2) + found[2].index(old)
    start = element.start + len(element.head[:at].encode())
    return Edit(start, start + len(old.encode()), new)


def _value(element: Element, name: str) -> re.Match[str] | None:
    """Return an attribute as it is written: its quote, and what is between two."""
    pattern = rf"\s{re.escape(name)}\s*=\s*([\"'])(.*?)\1"
    return re.search(pattern, element.head, re.DOTALL)


def set_text(element: Element, text: str) -> Edit:
    """Return what gives an element without children another text.

    Comments, and the blanks before the old text, stay. Those behind it go: libvirt
    reads no number that blanks follow.
    """
    held = _text(element)
    start, behind = held.start, element.source.data[held.end : element.end]
    blanks = len(behind) - len(behind.lstrip())
    return Edit(start, held.end + blanks, text)


def strip_text(element: Element) -> Edit:
    """Return what takes the blanks behind the text of an element away."""
    held = _text(element)
    return Edit(held.end, set_text(element, "").end, "")


def _text(element: Element) -> Edit:
    """Return where the text of an element is, without blanks, or its end."""
    start = element.start + len(element.head.encode())
    end = element.source.data.rfind(b"</", start, element.end)
    end = max(start, end)
    for found in _IN_TEXT.finditer(element.source.data, start, end):
        if found[1]:
            return Edit(found.start(), found.end(), "")
    return Edit(end, end, "")


def replace(element: Element, text: str) -> Edit:
    """Return what puts a text in place of a whole element; its comments stay."""
    inside = element.source.data[element.start : element.end]
    kept = b"".join(b" " + comment for comment in _COMMENT.findall(inside))
    return Edit(element.start, element.end, f"{text}{kept.decode()}")


def remove(element: Element) -> Edit:
    """Return what takes an element away, and its line if nothing else is on it."""
    data, start, end = element.source.data, element.start, element.end
    line = data.rfind(b"\n", 0, start) + 1
    behind = data.find(b"\n", end)
    if not data[line:start].strip() and behind >= 0 and not data[end:behind].strip():
        return Edit(line, behind + 1, "")
    return Edit(start, end, "")


def add_child(element: Element, text: str) -> Edit:
    """Return what adds a child as the first one, indented like the others."""
    head = element.head
    if head.endswith("/>"):
        at = element.start + len(head[:-2].encode())
        return Edit(at, element.end, f">{text}</{element.written}>")
    at = element.start + len(head.encode())
    return Edit(at, at, f"{_blank(element)}{text}")


def add_before(element: Element, text: str) -> Edit:
    """Return what adds an element before another, indented like it."""
    data = element.source.data
    line = data.rfind(b"\n", 0, element.start) + 1
    blank = data[line : element.start]
    indent = "\n" + blank.decode() if not blank.strip() and line else ""
    return Edit(element.start, element.start, f"{text}{indent}")


def _blank(element: Element) -> str:
    """Return the blank space that stands before the first child."""
    data = element.source.data
    at = element.source.head_end(element.start)
    end = at
    while end < len(data) and data[end] in b" \t\r\n":
        end += 1
    blank = data[at:end].decode()
    return blank if "\n" in blank else ""


def applied(data: bytes, edits: Iterable[Edit]) -> bytes:
    """Return the text with the edits; of two that overlap the first is made."""
    out, done = [], 0
    for edit in sorted(set(edits), key=lambda e: (e.start, e.end)):
        if edit.start < done:
            continue
        out += [data[done : edit.start], edit.text.encode()]
        done = edit.end
    return b"".join([*out, data[done:]])
