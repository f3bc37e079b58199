import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.effort import examples
from support.rows import for_each
from vfio_doctor.parse import shell_assignment as shell

KEY = "GRUB_CMDLINE_LINUX_DEFAULT"
FORMS = [
    pytest.param(f'{KEY}="quiet splash"\n', ("quiet", "splash"), id="double"),
    pytest.param(f"{KEY}='quiet splash'\n", ("quiet", "splash"), id="single"),
    pytest.param(f"{KEY}=quiet\n", ("quiet",), id="bare"),
    pytest.param(f'{KEY}=""\n', (), id="empty"),
    pytest.param(f"{KEY}=\n", (), id="nothing"),
    pytest.param(f'  {KEY}="a  b" # why\n', ("a", "b"), id="indented, comment"),
    pytest.param(f'export {KEY}="a"\n', ("a",), id="export"),
    pytest.param(f'{KEY}="a \\\n  b"\n', ("a", "b"), id="continued"),
    pytest.param(f'{KEY}="x=\\"a b\\" c"\n', ('x="a b"', "c"), id="inner quotes"),
    pytest.param(f'{KEY}="a=\\$b"\n', ("a=$b",), id="escaped dollar"),
    pytest.param(f'{KEY}="$OTHER a"\n', None, id="variable"),
    pytest.param(f'{KEY}="$(cat x)"\n', None, id="command"),
    pytest.param(f"{KEY}=\"a\"' b'\n", None, id="two parts"),
]


@for_each(("text", "words"), FORMS)
def test_words(text: str, words: tuple[str, ...] | None) -> None:
    (found,) = shell.assignments(text, KEY)
    assert found.words == words


@for_each(
    "text",
    [f'#{KEY}="a"\n', f'X{KEY}="a"\n', f'{KEY}X="a"\n', f"echo {KEY}=a\n", ""],
)
def test_not_an_active_assignment(text: str) -> None:
    assert shell.assignments(text, KEY) == ()


@for_each(
    ("before", "remove", "add", "after"),
    [
        ('K="a b c"', ("b",), "", 'K="a c"'),
        ('K="a b c"', ("c",), "", 'K="a b"'),
        ('K="a b c"', ("a",), "", 'K="b c"'),
        ('K="a"', ("a",), "", 'K=""'),
        ('K="a b a"', ("a",), "", 'K="b a"'),
        ('K="ab"', ("a",), "", 'K="ab"'),
        ('K=""', (), "n=1", 'K="n=1"'),
        ("K=", (), "n=1", 'K="n=1"'),
        ("K='a'", (), "n=1", "K='a n=1'"),
        ("K=a", (), "n=1", 'K="a n=1"'),
        ('K="a -- x"', (), "n=1", 'K="a n=1 -- x"'),
        ('K="a=on,b"', ("a=on",), "", 'K="a=on,b"'),
        ('K="$X a"', ("a",), "n", 'K="$X n"'),
        ('K="a"  # say "a"', ("a",), "b", 'K="b"  # say "a"'),
    ],
)
def test_edited(before: str, remove: tuple[str, ...], add: str, after: str) -> None:
    (found,) = shell.assignments(before, "K")
    assert shell.edited(before, found, remove, add) == after


def test_appended_keeps_what_is_set() -> None:
    assert shell.appended("A=1", "K", "x", extend=True) == 'A=1\nK="$K x"\n'
    assert shell.appended("", "K", "x", extend=False) == 'K="x"\n'


word = st.text(
    st.characters(codec="ascii", exclude_categories=["Cc", "Zs"]), min_size=1
).filter(lambda w: '"' not in w and w != "--")


@examples(200)
@given(st.text())
def test_never_raises(text: str) -> None:
    for found in shell.assignments(text + "\nK=" + text, "K"):
        assert 0 <= found.start <= found.end
        _ = found.words


@given(st.lists(word, max_size=4), st.lists(word, min_size=1, max_size=3))
def test_what_is_added_is_read_back(old: list[str], new: list[str]) -> None:
    text = shell.appended("", "K", " ".join(old), extend=False)
    (found,) = shell.assignments(text, "K")
    (again,) = shell.assignments(shell.edited(text, found, (), " ".join(new)), "K")
    assert again.words == (*old, *new)


@examples(15)
@given(st.lists(word, max_size=3), word)
@pytest.mark.runs("sh")
def test_a_shell_agrees(old: list[str], new: str) -> None:
    text = shell.appended("", "K", " ".join(old), extend=False)
    (found,) = shell.assignments(text, "K")
    script = shell.edited(text, found, (), new) + 'printf %s "$K"'
    sh = shutil.which("sh")
    assert sh is not None
    run = subprocess.run([sh, "-c", script], capture_output=True, text=True, check=True)
    assert tuple(run.stdout.split()) == (*old, new)
