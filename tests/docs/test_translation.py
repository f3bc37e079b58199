"""The catalogues are up to date, and what is broken in one is named."""

from __future__ import annotations

import gettext
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from support import catalogue
from support.rows import for_each
from support.texts import Text, texts
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.language import CHINESE, speak
from vfio_doctor.language import load as load_catalogue
from vfio_doctor.messages import say

if TYPE_CHECKING:
    from vfio_doctor.language import Catalogue

OLD = [
    Text("a", "Run `ls {path}`.", "x.py"),
    Text("b", "{one} of {all}", "x.py"),
    Text("c", "Set --size in /etc/a.conf.", "x.py"),
]
SAID = {
    "a": "请运行 `ls {path}`。",
    "b": "{all} 中的 {one}",
    "c": "请在 /etc/a.conf 中设置 --size。",
}


def held(**other: str) -> catalogue.Plain:
    made = catalogue.updated(None, OLD)
    for one in made:
        if one.id:
            one.string = {**SAID, **other}[str(one.context)]
    return made


def spoken_by(made: catalogue.Plain) -> Catalogue:
    return gettext.GNUTranslations(io.BytesIO(catalogue.compiled(made)))


@pytest.fixture
def english_again() -> Iterator[None]:
    yield
    speak(None)


def test_a_whole_catalogue_has_no_fault() -> None:
    assert list(catalogue.faults(held(), OLD)) == []
    assert catalogue.missing(held()) == []


@for_each(
    ("other", "said"),
    [
        ({"a": "请运行 `ls`。"}, "fields"),
        ({"a": "请运行 ls {path}。"}, "`ls {path}`"),
        ({"b": "{all} 中的 {on}"}, "fields"),
        ({"c": "请在 /etc/b.conf 中设置 --size。"}, "/etc/a.conf"),
        ({"c": "请在 /etc/a.conf 中设置大小。"}, "--size"),
        ({"b": "{all} 中的 {one} "}, "blanks"),
    ],
)
def test_what_is_broken_is_named(other: dict[str, str], said: str) -> None:
    found = list(catalogue.faults(held(**other), OLD))
    assert said in "".join(found)
    assert {fault.partition(":")[0] for fault in found} == set(other)


def test_what_is_missing_is_counted() -> None:
    assert catalogue.missing(held(a="", b="")) == ["a", "b"]


def test_better_english_makes_a_translation_fuzzy_and_unused(
    english_again: None,
) -> None:
    new = [Text("b", "{one} out of {all}", "x.py"), *OLD[::2]]
    made = catalogue.updated(held(), new)
    assert catalogue.missing(made) == ["b"]
    speak(spoken_by(made))
    assert str(say("b", "{one} out of {all}", one=1, all=2)) == "1 out of 2"
    speak(spoken_by(held()))
    assert str(say("b", "{one} of {all}", one=1, all=2)) == "2 中的 1"


def test_what_is_gone_is_stale_and_left_out() -> None:
    stale = list(catalogue.faults(held(), OLD[:2]))
    assert ["stale" in fault for fault in stale] == [True]
    made = catalogue.updated(held(), OLD[:2])
    assert list(catalogue.faults(made, OLD[:2])) == []


def test_what_is_new_is_named_until_the_catalogue_has_it() -> None:
    new = [*OLD, Text("d", "New.", "x.py")]
    assert "not in the catalogue" in "".join(catalogue.faults(held(), new))
    assert catalogue.missing(catalogue.updated(held(), new)) == ["d"]


def test_equal_texts_give_equal_bytes() -> None:
    again = catalogue.updated(held(), OLD[::-1][::-1])
    assert catalogue.written(again) == catalogue.written(held())
    assert catalogue.compiled(again) == catalogue.compiled(held())
    assert b"Babel" not in catalogue.compiled(held())


def test_the_compiled_catalogue_is_that_of_the_translators() -> None:
    made = catalogue.read()
    assert made is not None
    again = catalogue.updated(made, texts(load()))
    assert catalogue.MO.read_bytes() == catalogue.compiled(again)
    spoken = load_catalogue(CHINESE)
    assert spoken is not None
    end = spoken.pgettext("verdict-nothing", "Found nothing wrong.")
    assert end == "没有发现问题。"
