"""XML with positions: elements that know their line, column and bytes.

The text is a stranger's. A document type, which is where entities come from, is
refused, and nothing outside of the text is ever looked for. Names keep their prefix;
those of QEMU's namespace begin with ``qemu:`` whatever the text calls it, and also if
it is the default one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vfio_doctor.messages import say, verbatim
from vfio_doctor.parse.vm_form import LARGEST, Form
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.parsers.expat import XMLParserType

    from vfio_doctor.model import Message

DEEPEST = 100
QEMU = "http://libvirt.org/schemas/domain/qemu/1.0"
_DECLARED = re.compile(rb"<\?xml[^>]*?encoding\s*=\s*[\"']([A-Za-z0-9._-]+)[\"']")
_ATTRIBUTE = re.compile(r"\s([^\s=/>]+)\s*=\s*(\"[^\"]*\"|'[^']*')")
_NAME = re.compile(r"<([^\s/>]+)")
_TAG = re.compile(rb"<(?:[^\"'>]|\"[^\"]*\"|'[^']*')*>")
# expat's own words for it.
_CUT = (
    "no element found",
    "unclosed token",
    "unclosed CDATA section",
    "partial character",
)
_JUNK = "junk after document element"
_INVALID = "not well-formed (invalid token)"
_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_UTF_32 = (b"\xff\xfe\0\0", b"\0\0\xfe\xff", b"<\0\0\0", b"\0\0\0<")
_ENCODINGS = (
    "utf-8",
    "utf-16",
    "utf-16-le",
    "utf-16-be",
    "us-ascii",
    "ascii",
    "iso-8859-1",
    "iso-8859-15",
)

TOO_LARGE = say(
    "xml-too-large", "larger than {limit} MiB: no VM's definition is", limit=1
)
TOO_DEEP = say("xml-too-deep", "elements are nested more than {most} deep")
DOCTYPE = say(
    "xml-doctype",
    "it has a document type (<!DOCTYPE>), which could define entities: it is not read."
    " libvirt writes none; take it out",
)
ENCODING = say("xml-encoding", "its encoding, {name}, is not one that is read here")
NOT_ENCODED = say("xml-not-encoded", "byte {at} is not {name}")
EMPTY = say("xml-empty", "it is empty")
CUT = say(
    "xml-cut",
    "it ends before <{tag}> of line {opened} is closed: it was cut off, or a quote or a"
    " bracket is missing",
)
MORE = say(
    "xml-more",
    "something follows the end of the definition: one text holds one VM",
)
CONTROL = say("xml-control", "the character U+{code} is not allowed in XML")


class Spot(NamedTuple):
    """A place in a text: line and column from 1, and how many characters."""

    line: int
    column: int
    length: int = 1


class Refused(NamedTuple):
    """Why a text is no XML that is read here, and where, if that is known.

    ``broken``: it is no XML to anybody, as when its end is missing.
    """

    message: Message
    spot: Spot | None = None
    broken: bool = False


class Element:
    """One element; ``start`` and ``end`` are its bytes in the document's text.

    ``is_qemu``: its name is of QEMU's namespace.
    """

    __slots__ = (
        "attributes",
        "children",
        "end",
        "is_qemu",
        "parent",
        "source",
        "start",
        "tag",
        "text",
    )

    def __init__(self, tag: str, source: Source, start: int) -> None:
        """Begin an element that is not closed yet."""
        self.tag = tag
        self.source = source
        self.start = self.end = start
        self.attributes: dict[str, str] = {}
        self.children: list[Element] = []
        self.is_qemu = False
        self.parent: Element | None = None
        self.text = ""

    def get(self, name: str, default: str = "") -> str:
        """Return an attribute."""
        return self.attributes.get(name, default)

    def all(self, path: str) -> Iterator[Element]:
        """Yield the elements at a path of names below this one; ``*`` is any."""
        name, _, rest = path.partition("/")
        for child in self.children:
            if name in (child.tag, "*"):
                if rest:
                    yield from child.all(rest)
                else:
                    yield child

    def first(self, path: str) -> Element | None:
        """Return the first element at a path, or None."""
        return next(self.all(path), None)

    def said(self, path: str) -> str:
        """Return the text of the first element at a path, "" if there is none."""
        found = self.first(path)
        return found.text.strip() if found else ""

    def every(self) -> Iterator[Element]:
        """Yield this element and all below it, in their order."""
        waiting = [self]
        while waiting:
            one = waiting.pop()
            yield one
            waiting.extend(reversed(one.children))

    @property
    def head(self) -> str:
        """Return the start tag as it is written."""
        return self.source.head(self.start)

    @property
    def written(self) -> str:
        """Return the name as it is written, with the prefix that the text has."""
        found = _NAME.match(self.head)
        return found[1] if found else self.tag

    def spot(self, attribute: str = "") -> Spot:
        """Return where the element begins, or one of its attributes."""
        head = self.head
        for found in _ATTRIBUTE.finditer(head) if attribute else ():
            if found[1] == attribute:
                before = self.start + len(head[: found.start(1)].encode())
                return self.source.spot(before, len(found[0].lstrip()))
        return self.source.spot(self.start, len(head.partition("\n")[0]))


class Source:
    """A text as UTF-8 bytes, with the beginnings of its lines."""

    def __init__(self, data: bytes) -> None:
        """Take the bytes of the whole text."""
        self.data = data
        self._starts = [0]
        self._starts += [found.end() for found in re.finditer(b"\n", data)]

    def spot(self, at: int, length: int = 1) -> Spot:
        """Return the line and column of a byte."""
        from bisect import bisect_right

        line = bisect_right(self._starts, at)
        before = self.data[self._starts[line - 1] : at]
        return Spot(line, len(before.decode("utf-8", "replace")) + 1, length)

    def line(self, number: int) -> str:
        """Return a line without its end."""
        start = self._starts[number - 1]
        end = self.data.find(b"\n", start)
        held = self.data[start : len(self.data) if end < 0 else end]
        return held.decode("utf-8", "replace").rstrip("\r")

    def head(self, start: int) -> str:
        """Return the tag that begins at a byte; quotes may hold a ``>``."""
        return self.data[start : self.head_end(start)].decode("utf-8", "replace")

    def head_end(self, start: int) -> int:
        """Return the byte behind the tag that begins at another."""
        found = _TAG.match(self.data, start)
        return found.end() if found else len(self.data)


class Document(NamedTuple):
    """A text that was read: its root, its bytes, and how they were encoded.

    ``form`` is None for XML. ``unknown`` are parts of another form that only running
    it would tell.
    """

    root: Element
    source: Source
    encoding: str
    form: Form | None = None
    unknown: tuple[Element, ...] = ()


def read(data: bytes) -> Document | Refused:
    """Return the elements of a text, or why it is not read; never raises."""
    decoded = _decoded(data)
    if isinstance(decoded, Refused):
        return decoded
    text, encoding = decoded
    source = Source(text.encode("utf-8"))
    return _Reading(source).document(encoding)


def _decoded(data: bytes) -> tuple[str, str] | Refused:
    if len(data) > LARGEST:
        return Refused(TOO_LARGE)
    if data.startswith(_UTF_32):
        return Refused(ENCODING.filled(name="utf-32"))
    name = next((word for mark, word in _MARKS if data.startswith(mark)), "")
    if not name and b"\0" in data[:2]:
        # Without a mark the first character, which is <, tells.
        name = "utf-16-le" if data[1:2] == b"\0" else "utf-16-be"
    elif not name:
        declared = _DECLARED.match(data[:200].lstrip())
        name = declared[1].decode("ascii").lower() if declared else "utf-8"
        # Its own head could not be read if it were: a wrong word.
        name = "utf-8" if name.startswith("utf-16") else name
    if name not in _ENCODINGS:
        return Refused(ENCODING.filled(name=name))
    try:
        text = data.decode(name)
    except UnicodeDecodeError as error:
        spot = Source(data).spot(error.start)
        return Refused(NOT_ENCODED.filled(at=error.start, name=name), spot)
    text = text.removeprefix("\ufeff")
    return (text, name) if text.strip() else Refused(EMPTY, None, True)


class _Stop(Exception):
    """Ends the reading, with what the person is told."""

    def __init__(self, message: Message) -> None:
        super().__init__(message)
        self.message = message


class _Reading:
    """One run of expat over a text."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._open: list[Element] = []
        self._root: Element | None = None
        self._prefixes = _Prefixes()
        self._parser = _parser()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._data
        self._parser.StartDoctypeDeclHandler = self._refuse
        self._parser.EntityDeclHandler = self._refuse

    def document(self, encoding: str) -> Document | Refused:
        from xml.parsers.expat import ExpatError

        try:
            self._parser.Parse(self._source.data, True)
        except ExpatError as error:
            spot = Spot(error.lineno, error.offset + 1)
            return Refused(self._in_words(error.code), spot, broken=True)
        except _Stop as stop:
            return Refused(stop.message, self._source.spot(self._begin(stop.message)))
        assert self._root is not None
        return Document(self._root, self._source, encoding)

    def _begin(self, why: Message) -> int:
        """Return where a document type begins: expat is behind its name by now."""
        at = self._at()
        begins = self._source.data.rfind(b"<!DOCTYPE", 0, at + 1)
        return begins if why is DOCTYPE and begins >= 0 else at

    def _in_words(self, code: int) -> Message:
        """Say what most mistakes are in the words of who made them."""
        from xml.parsers.expat import ErrorString

        said = ErrorString(code)
        at = self._parser.ErrorByteIndex
        char = self._source.data[at : at + 1]
        if said in _CUT and self._open:
            last = self._open[-1]
            opened = last.spot().line
            return CUT.filled(tag=last.written, opened=opened)
        if said == _JUNK:
            return MORE
        if said == _INVALID and char and char < b" ":
            return CONTROL.filled(code=f"{char[0]:04X}")
        return verbatim(said)

    def _at(self) -> int:
        return self._parser.CurrentByteIndex

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if len(self._open) >= DEEPEST:
            raise _Stop(TOO_DEEP.filled(most=DEEPEST))
        one = Element(tag, self._source, self._at())
        one.attributes = attributes
        above = self._open[-1] if self._open else None
        one.is_qemu = self._prefixes.enter(tag, attributes)
        if one.is_qemu:
            one.tag = f"qemu:{tag.rpartition(':')[2]}"
        one.parent = above
        if above is None:
            self._root = one
        else:
            above.children.append(one)
        self._open.append(one)

    def _end(self, _: str) -> None:
        one = self._open.pop()
        self._prefixes.leave(one.attributes)
        end = self._source.head_end(one.start)
        # The end tag begins here, if there is one.
        empty = self._source.data[end - 2 : end] == b"/>"
        one.end = end if empty else self._source.head_end(self._at())

    def _data(self, text: str) -> None:
        if self._open:
            self._open[-1].text += text

    def _refuse(self, *_: object) -> None:
        raise _Stop(DOCTYPE)


def _parser() -> XMLParserType:
    from xml.parsers.expat import ParserCreate

    # The text is UTF-8 by now, whatever its head claims.
    parser = ParserCreate("utf-8")
    parser.buffer_text = True
    return parser


class _Prefixes:
    """Which prefixes stand for QEMU's namespace in the elements that are open.

    One for the whole text: elements that each had their own would cost a square.
    """

    def __init__(self) -> None:
        self._meanings: dict[str, list[bool]] = {}

    def enter(self, tag: str, attributes: dict[str, str]) -> bool:
        """Take an element's declarations; tell whether its name is QEMU's."""
        for prefix, address in _declared(attributes):
            self._meanings.setdefault(prefix, []).append(address == QEMU)
        meanings = self._meanings.get(tag.rpartition(":")[0])
        return meanings[-1] if meanings else False

    def leave(self, attributes: dict[str, str]) -> None:
        """Forget an element's declarations."""
        for prefix, _ in _declared(attributes):
            self._meanings[prefix].pop()


def _declared(attributes: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield prefixes, "" for names without one, and what they are said to mean."""
    for key, value in attributes.items():
        if key == "xmlns" or key.startswith("xmlns:"):
            yield key[6:], value
