from hypothesis import given
from hypothesis import strategies as st

from support.rows import for_each
from vfio_doctor.parse import os_release

LINES = [
    ("ID=fedora", "fedora"),
    ('ID="fedora linux"', "fedora linux"),
    ("ID='41'", "41"),
    (r'ID="a \"b\" \$c \\ \` \n"', 'a "b" $c \\ ` \\n'),
    (r"ID='a\"b'", r"a\"b"),
    ("  ID=x  ", "x"),
    ("ID=", ""),
    ('ID="', ""),
    ("#ID=x\nID=y", "y"),
    ("ID=a\nID=b", "b"),
]


@for_each(("text", "value"), LINES)
def test_assignments(text: str, value: str) -> None:
    assert os_release.parse(text) == {"ID": value}


def quoted(value: str) -> str:
    for char in '\\"$`':
        value = value.replace(char, f"\\{char}")
    return f'"{value}"'


@given(st.text(alphabet=st.characters(exclude_characters="\n\r", codec="ascii")))
def test_what_is_quoted_comes_back(value: str) -> None:
    assert os_release.parse(f"A={quoted(value)}\n") == {"A": value}


@given(st.text())
def test_any_text(text: str) -> None:
    assert all(key for key in os_release.parse(text))
