"""The picture of a report: the same words, in their colours, and nothing else."""

from __future__ import annotations

from xml.etree import ElementTree

from vfio_doctor.docs.picture import picture

SVG = "{http://www.w3.org/2000/svg}"


def test_words_and_colours() -> None:
    drawn = ElementTree.fromstring(picture("\x1b[31m\x1b[1mERROR\x1b[0m a\n\nb", "t"))
    rows = list(drawn.iter(f"{SVG}text"))
    assert ["".join(row.itertext()) for row in rows] == ["ERROR a", "b"]
    first, second = rows[0]
    assert first.attrib == {"class": "c31 b"}
    assert second.attrib == {}


def test_text_stays_text_and_fits() -> None:
    mean = "</text><script>alert(1)</script>&\u202e \u4e2d\u6587"
    drawn = ElementTree.fromstring(picture(mean, mean))
    assert {node.tag.removeprefix(SVG) for node in drawn.iter()} == {
        *("svg", "title", "style", "rect", "text", "tspan"),
    }
    assert int(drawn.attrib["width"]) > 8 * 38
