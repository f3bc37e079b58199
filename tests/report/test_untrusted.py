from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from support.rows import for_each
from vfio_doctor.report.untrusted import ascii_only, clean, code, html, markdown

ANY = st.text(alphabet=st.characters(exclude_categories=()))


@for_each(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("a\nb", r"a\nb"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("\x9b31m", r"\x9b31m"),
        ("abc\u202edcba", r"abc\u202edcba"),
        ("zero\u200bwidth", r"zero\u200bwidth"),
        ("a\u2066b\u2069", r"a\u2066b\u2069"),
        ("\u3164", r"\u3164"),
        ("x\ufe0f", r"x\ufe0f"),
        ("\ud800", r"\ud800"),
        ("\x7f\x00", r"\x7f\x00"),
        ("Grüße 中文", "Grüße 中文"),
    ],
    ids=repr,
)
def test_clean(text: str, shown: str) -> None:
    assert clean(text) == shown


@given(ANY)
def test_clean_text_is_one_printable_line(text: str) -> None:
    shown = clean(text)
    assert shown.isprintable()
    assert clean(shown) == shown
    assert len(shown.splitlines()) <= 1


@given(ANY)
def test_ascii_is_ascii(text: str) -> None:
    assert ascii_only(text).isascii()
    assert ascii_only(clean(text)).isprintable()


@for_each(
    ("text", "shown"),
    [
        ("run `a|b` now", r"run `a\|b` now"),
        ("<script>", "&lt;script&gt;"),
        ("@me #1", "@<!-- -->me #<!-- -->1"),
        ("https://x www.y", "https:<!-- -->//x www<!-- -->.y"),
        ("*b* _i_ [l](u)", r"\*b\* \_i\_ \[l\]\(u\)"),
        ("one ` only", r"one \` only"),
        ("`a` and `", r"`a` and \`"),
        ("", ""),
    ],
    ids=repr,
)
def test_markdown(text: str, shown: str) -> None:
    assert markdown(text) == shown


@for_each(
    ("text", "shown"),
    [
        ("a", "`a`"),
        ("", ""),
        (" ", "`   `"),
        ("a`b", "``a`b``"),
        ("`a", "`` `a ``"),
        ("a|b", r"`a\|b`"),
        ("</details>", "`</details>`"),
    ],
    ids=repr,
)
def test_code(text: str, shown: str) -> None:
    assert code(text) == shown


@given(ANY)
def test_code_cannot_be_left(text: str) -> None:
    shown = code(text)
    fence = re.match("`*", shown)
    assert fence is not None
    inner = shown[len(fence[0]) : len(shown) - len(fence[0])]
    runs = re.findall("`+", inner)
    assert not shown or fence[0] not in runs


@given(st.text(alphabet="ab`<>&@#/:w.[]()"))
def test_nothing_of_html_is_left_outside_code(text: str) -> None:
    outside = re.sub(r"`[^`]*`", "", markdown(text).replace(r"\`", ""))
    assert not re.search(r"<(?!!-- -->)", outside)


@given(ANY)
def test_html_has_no_tags(text: str) -> None:
    assert "<" not in html(text).replace("<!-- -->", "")
