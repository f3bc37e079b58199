from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.effort import examples
from support.rows import for_each
from vfio_doctor.report.style import Look, look_for
from vfio_doctor.report.table import table
from vfio_doctor.report.wrap import columns, wrap, wrap_hard


class Stream(io.StringIO):
    def __init__(self, terminal: bool, encoding: str = "utf-8") -> None:
        super().__init__()
        self._terminal = terminal
        self._encoding = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    def isatty(self) -> bool:
        return self._terminal


@for_each(
    ("terminal", "asked", "environ", "colour"),
    [
        (True, "auto", {"TERM": "xterm"}, True),
        (True, "auto", {"TERM": "dumb"}, False),
        (True, "auto", {}, False),
        (True, "auto", {"TERM": "xterm", "NO_COLOR": "1"}, False),
        (True, "auto", {"TERM": "xterm", "NO_COLOR": ""}, True),
        (False, "auto", {"TERM": "xterm"}, False),
        (False, "auto", {"FORCE_COLOR": "1"}, True),
        (False, "auto", {"FORCE_COLOR": "0"}, False),
        (False, "auto", {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        (False, "always", {"NO_COLOR": "1"}, True),
        (True, "never", {"TERM": "xterm", "FORCE_COLOR": "1"}, False),
    ],
)
def test_colour(
    terminal: bool, asked: str, environ: dict[str, str], colour: bool
) -> None:
    assert look_for(Stream(terminal), asked, 0, environ).colour is colour


@pytest.mark.parametrize(
    ("environ", "width"),
    [
        ({}, 80),
        ({"COLUMNS": "60"}, 60),
        ({"COLUMNS": "10"}, 40),
        ({"COLUMNS": "1000"}, 100),
        ({"COLUMNS": "0"}, 80),
        ({"COLUMNS": "wide"}, 80),
        ({"COLUMNS": "٣"}, 80),
    ],
)
@pytest.mark.parametrize("terminal", [True, False])
def test_width(environ: dict[str, str], width: int, terminal: bool) -> None:
    # The stream says that it is a terminal and has no size: as usual, then.
    assert look_for(Stream(terminal), "auto", 0, environ).width == width


@for_each(
    ("encoding", "utf8"), [("UTF-8", True), ("utf8", True), ("ANSI_X3.4-1968", False)]
)
def test_encoding(encoding: str, utf8: bool) -> None:
    assert look_for(Stream(False, encoding), "auto", 1, {}) == Look(80, False, utf8, 1)


@for_each(
    ("text", "lines"),
    [
        ("", [""]),
        ("one two three", ["one two", "three"]),
        ("run `a b c d e` now", ["run", "`a b c d e`", "now"]),
        ("a lone ` is no command", ["a lone `", "is no", "command"]),
        ("extraordinarily long", ["extraordinarily", "long"]),
    ],
)
def test_wrap(text: str, lines: list[str]) -> None:
    assert wrap(text, 9) == lines


def test_wrap_indents() -> None:
    assert wrap("one two three", 10, "1. ", "   ") == ["1. one two", "   three"]


def test_wide_characters_take_two_columns() -> None:
    assert columns("中文") == 4
    assert columns("e\u0301") == 1
    assert wrap_hard("中文中文", 5) == ["中文", "中文"]


@given(st.text(alphabet="ab `中"), st.integers(2, 12))
def test_hard_wrapping_keeps_all_and_fits(text: str, width: int) -> None:
    lines = wrap_hard(text, width)
    assert all(columns(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


# A combining character takes no column, and tabulate counts it as one.
CELL = st.text(st.characters(max_codepoint=0x2FF) | st.sampled_from("中文字ハ한"))


def test_columns_after_wide_characters_align() -> None:
    lines = table(("Where", "Seen"), [("中文", "x"), ("plain", "y")], 60)
    first, second = (columns(line[:-1]) for line in lines[2:])
    assert first == second


@examples(60)
@given(st.lists(st.tuples(CELL, CELL, CELL), max_size=4))
def test_tables_fit(rows: list[tuple[str, str, str]]) -> None:
    for line in table(("Where", "Seen", "Expected"), rows, 60, "  "):
        assert columns(line) <= 60
        assert line.isprintable()
