"""Elements for a VM that is not written in XML: each knows the words it stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.parse.xml_tree import Element, Source, Spot

if TYPE_CHECKING:
    from vfio_doctor.parse.shell_words import Word

# What a name that this text does not explain is called in a list of such.
MOST_UNKNOWN = 20


class Made(Element):
    """An element that is in no text; ``start`` and ``end`` are what it stands for."""

    __slots__ = ()

    @property
    def head(self) -> str:
        """Return nothing: there is no tag."""
        return ""

    def spot(self, attribute: str = "") -> Spot:
        """Return where it is said."""
        data = self.source.data[self.start : self.end]
        line = data.partition(b"\n")[0].decode("utf-8", "replace")
        return self.source.spot(self.start, max(1, len(line)))


class Maker:
    """Makes the elements of one VM; places are characters of the text."""

    def __init__(self, text: str) -> None:
        """Begin a ``<domain>`` that stands for the whole text."""
        self.source = Source(text.encode("utf-8"))
        self._text = text
        self._bytes = _Bytes(text)
        self.root = Made("domain", self.source, 0)
        self.root.attributes = {"type": "kvm"}
        self.unknown: list[Element] = []

    def add(
        self,
        path: str,
        start: int,
        end: int,
        attributes: dict[str, str] | None = None,
        text: str = "",
    ) -> Made:
        """Return a new element below those of a path, which are made if need be."""
        *above, name = path.split("/")
        parent: Element = self.root
        for step in above:
            parent = parent.first(step) or self._child(parent, step, start, end)
        one = self._child(parent, name, start, end)
        one.attributes, one.text = attributes or {}, text
        return one

    def below(self, parent: Made, tag: str, attributes: dict[str, str]) -> Made:
        """Return a new child in the same place."""
        one = Made(tag, self.source, parent.start)
        one.end, one.parent, one.attributes = parent.end, parent, attributes
        parent.children.append(one)
        return one

    def _child(self, parent: Element, tag: str, start: int, end: int) -> Made:
        one = Made(tag, self.source, self._bytes.at(start))
        one.end, one.parent = self._bytes.at(end), parent
        one.is_qemu = tag.startswith("qemu:")
        parent.children.append(one)
        return one

    def function(self, address: str, start: int, end: int, *, managed: bool) -> Made:
        """Return a function that is passed; one without a dot is a whole slot."""
        told = {"type": "pci", "managed": "yes" if managed else "no"}
        head, _, function = address.partition(".")
        if not function:
            told["whole"] = "yes"
        one = self.add("devices/hostdev", start, end, told)
        domain, bus, slot = head.split(":")
        named = zip(
            ("domain", "bus", "slot", "function"),
            (domain, bus, slot, function or "0"),
            strict=True,
        )
        where = {key: f"0x{value}" for key, value in named}
        self.below(self.below(one, "source", {}), "address", where)
        return one

    def arguments(self, words: list[Word]) -> None:
        """Take words of QEMU's command line as they are."""
        line = self.add("qemu:commandline", 0, 0)
        for word in words:
            one = self.below(line, "qemu:arg", {"value": word.value})
            one.start, one.end = self._bytes.at(word.start), self._bytes.at(word.end)
            one.is_qemu = True


class _Bytes:
    """Which byte a character is; for most texts the same number."""

    def __init__(self, text: str) -> None:
        self._starts: list[int] | None = None
        if not text.isascii():
            from itertools import accumulate

            self._starts = [0, *accumulate(len(c.encode()) for c in text)]

    def at(self, character: int) -> int:
        """Return the byte."""
        return character if self._starts is None else self._starts[character]
