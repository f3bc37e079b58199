"""Words of scripts, as a shell makes them, each with its place."""

from __future__ import annotations

import shlex
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.calls import calls
from support.rows import for_each
from vfio_doctor.parse.shell_words import read, words

QEMU = "qemu-system-x86_64"


def last(text: str) -> list[str]:
    return [word.shown for word in read(text).commands[-1]]


@for_each(
    ("text", "found"),
    [
        ("q -m 4G # a comment", ["q", "-m", "4G"]),
        ("q a#b 'c d' \"e f\" g\\ h", ["q", "a#b", "c d", "e f", "g h"]),
        ("q -m \\\n 4G", ["q", "-m", "4G"]),
        ("X=4G; q -m $X ${X}b", ["q", "-m", "4G", "4Gb"]),
        ("O='-m 4G'\nO+=' -smp 2'\nq $O \"$O\"", None),
        ("a=(-m 4G # x\n'-name' 'a b')\na+=(-S)\nq \"${a[@]}\"", None),
        ('q $1 "$@" $(nproc) `id`', ["q", "$1", "$@", "$(...)", "$(...)"]),
        ('q {"a":"b c"} {\\"a\\":1}', ["q", '{"a":"b c"}', '{"a":1}']),
        ('q "{\\"a\\":1}" \'{"a":1}\'', ["q", '{"a":1}', '{"a":1}']),
        ("export X=1\nq $X 2>/dev/null && r", ["r"]),
        ("X=$X$X; X=$X$X; q $X", ["q", "$X$X$X$X"]),
    ],
)
def test_words(text: str, found: list[str] | None) -> None:
    if found is None:
        found = ["q", "-m", "4G", "-smp", "2", "-m 4G -smp 2"]
        if "[@]" in text:
            found = ["q", "-m", "4G", "-name", "a b", "-S"]
    assert last(text) == found


@pytest.mark.runs("sh")
@for_each(
    "line", ["a 'b c' \"d \\$ e\" f\\ g", 'x "a\\"b" \'"\' "\\n"', "p --q=r,s='t u'"]
)
def test_a_shell_says_the_same(line: str) -> None:
    done = subprocess.run(
        ("sh", "-c", f"printf '%s\\0' {line}"), capture_output=True, check=True
    )
    assert done.stdout.decode().split("\0")[:-1] == [w.value for w in words(line)]


@given(st.lists(st.text("abc ,='\"\\;&#(){}-", min_size=1), min_size=1))
def test_what_is_quoted_comes_back(given_: list[str]) -> None:
    text = shlex.join(given_)
    assert [word.value for word in words(text)] == given_
    assert all(word.start < word.end <= len(text) for word in words(text))


@given(st.text("a=($'\"\\ \n;{}`#[@]+)"))
def test_whatever_the_text_it_answers(text: str) -> None:
    read(text)


def test_a_variable_that_doubles_does_not_fill_the_memory() -> None:
    text = "X=aaaaaaaa\n" + "X=$X$X\n" * 60 + f"{QEMU} -m $X"
    assert sys.getsizeof(last(text)[-1]) < 1 << 17


def test_a_long_list_that_is_put_in_often_costs_no_product() -> None:
    text = "a=(" + "-S " * 4000 + ")\n" + 'q "${a[@]}" ; ' * 4000
    assert sum(len(command) for command in read(text).commands) < 200_000


@pytest.mark.parametrize(
    "piece", ['{" ', "'", '"', "$(", "a=(", "${a ", "`", "x=$x\n", "a+=(b c)\n"]
)
def test_work_grows_with_the_text(piece: str) -> None:
    assert (
        calls(lambda: read(piece * 4000)) < calls(lambda: read(piece * 1000)) * 5 + 100
    )
