"""A text is spoken in the language that was chosen, or in English."""

from __future__ import annotations

import io
import pkgutil
from collections.abc import Iterator

import pytest

from support.rows import for_each
from vfio_doctor.language import (
    CHINESE,
    ENGLISH,
    asked,
    choose,
    english,
    fields,
    in_english,
    is_english,
    of_environment,
    speak,
    spoken,
)
from vfio_doctor.messages import in_order, say, shown, verbatim
from vfio_doctor.model import CheckResult, Severity, Status

MADE = "locale/zh_CN/LC_MESSAGES/vfio-doctor.mo"
TOY = {
    ("toy", "{count} of {what}."): "{what} 中的 {count} 个。",
    ("toy-reason", "nobody knows"): "无人知晓",
    ("toy-lacks", "{count} of {what}."): "{what} 中的几个。",
    ("toy-adds", "Fine."): "{count} 正常。",
    ("toy-command", "Run `ls {path}`."): "请运行 `ls {path}`。",
    ("list-comma", "{one}, {next}"): "{one}、{next}",
    ("list-and", "{most} and {last}"): "{most}和 {last}",
    ("in-order", "{first} {rest}"): "{first}{rest}",
    ("iommu-off.title", "The IOMMU is off"): "IOMMU 未启用",
}


class Toy:
    """A catalogue as gettext's: what it lacks is given back."""

    def pgettext(self, context: str, message: str, /) -> str:
        return TOY.get((context, message), message)


@pytest.fixture(autouse=True)
def toy() -> Iterator[None]:
    speak(Toy())
    yield
    speak(None)


def test_a_message_is_spoken() -> None:
    reason = say("toy-reason", "nobody knows")
    said = say("toy", "{count} of {what}.", count=2, what=reason)
    assert str(said) == "无人知晓中的 2 个。"
    with english():
        assert str(said) == "2 of nobody knows."
    assert str(said) == "无人知晓中的 2 个。"


@for_each(
    ("name", "template", "end"),
    [
        ("toy-lacks", "{count} of {what}.", "2 of x."),
        ("toy-adds", "Fine.", "Fine."),
        ("toy-unknown", "New.", "New."),
        ("toy-reason", "nobody knows any more", "nobody knows any more"),
    ],
)
def test_what_is_missing_or_broken_stays_english(
    name: str, template: str, end: str
) -> None:
    assert str(say(name, template).filled(count=2, what="x")) == end


def test_lists_follow_the_language() -> None:
    reason = say("toy-reason", "nobody knows")
    assert shown(("a", "b", reason)) == "a、b和 无人知晓"
    assert shown(("a",)) == "a"
    assert shown(()) == ""
    with english():
        assert shown(("a", "b", reason)) == "a, b and nobody knows"
        assert shown(("a", "b")) == "a and b"


def test_values_are_data() -> None:
    assert shown(("{last}", "{one}", "{count}")) == "{last}、{one}和 {count}"
    assert str(say("toy", "{count} of {what}.", count=1, what="{count}")) == (
        "{count} 中的 1 个。"
    )
    assert str(verbatim("nobody knows")) == "nobody knows"
    said = say("toy-command", "Run `ls {path}`.", path="/a b")
    assert str(said) == "请运行 `ls '/a b'`。"


def test_sentences_in_order_follow_the_language() -> None:
    one, two = say("toy-reason", "nobody knows"), verbatim("x")
    assert str(in_order(one, two, one)) == "无人知晓x无人知晓"


def test_a_heading_is_spoken_and_a_title_is_not() -> None:
    made = CheckResult("iommu-off", "The IOMMU is off", Severity.ERROR, Status.PASS)
    assert made.heading == "IOMMU 未启用"
    assert made.title == "The IOMMU is off"


def test_what_programs_read_is_english() -> None:
    @in_english
    def made() -> str:
        return spoken("toy-reason", "nobody knows")

    assert made() == "nobody knows"
    assert spoken("toy-reason", "nobody knows") == "无人知晓"


def test_fields_are_what_str_format_takes() -> None:
    assert fields("{a} {b!r} {} {c d} `{e}` {f") == {"a", "b!r", "e"}


@for_each(
    ("environ", "language"),
    [
        ({}, ENGLISH),
        ({"LANG": "zh_CN.UTF-8"}, CHINESE),
        ({"LANG": "zh_CN"}, CHINESE),
        ({"LANG": "zh_CN.GB18030@stroke"}, CHINESE),
        ({"LANG": "zh_TW.UTF-8"}, ENGLISH),
        ({"LANG": "de_DE.UTF-8"}, ENGLISH),
        ({"LANG": "zh_CN.UTF-8", "LC_MESSAGES": "en_US.UTF-8"}, ENGLISH),
        ({"LANG": "en_US.UTF-8", "LC_MESSAGES": "zh_CN.UTF-8"}, CHINESE),
        ({"LC_MESSAGES": "zh_CN.UTF-8", "LC_ALL": "en_GB.UTF-8"}, ENGLISH),
        ({"LC_ALL": "C", "LANG": "zh_CN.UTF-8"}, ENGLISH),
        ({"LC_ALL": "POSIX", "LANGUAGE": "zh_CN"}, ENGLISH),
        ({"LC_ALL": "C.UTF-8", "LANGUAGE": "zh_CN"}, CHINESE),
        ({"LANGUAGE": "zh_CN"}, CHINESE),
        ({"LANGUAGE": "fr:zh_CN:en", "LANG": "en_US.UTF-8"}, CHINESE),
        ({"LANGUAGE": "en:zh_CN", "LANG": "zh_CN.UTF-8"}, ENGLISH),
        ({"LANGUAGE": "", "LC_ALL": "", "LANG": "zh_CN.UTF-8"}, CHINESE),
    ],
)
def test_the_environment_is_read_as_gettext_reads_it(
    environ: dict[str, str], language: str
) -> None:
    assert of_environment(environ) == language


@for_each(
    ("arguments", "language"),
    [
        ([], ""),
        (["--language", "zh_CN"], CHINESE),
        (["devices", "--language=en"], ENGLISH),
        (["--language", "zh_CN", "--language", "en"], ENGLISH),
        (["--", "--language", "zh_CN"], ""),
        (["--language"], ""),
        (["--language", "fr"], ""),
    ],
)
def test_the_option_is_read_before_click_reads_it(
    arguments: list[str], language: str
) -> None:
    assert asked(arguments) == language


class Stream(io.StringIO):
    """A stream of any encoding, one that Python does not know among them."""

    def __init__(self, encoding: str) -> None:
        super().__init__()
        self._encoding = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding


@for_each("encoding", ["ascii", "latin-1", "no-such-encoding"])
def test_what_cannot_be_shown_is_english_with_a_note(encoding: str) -> None:
    said = choose([], {"LANG": "zh_CN"}, Stream(encoding))
    assert encoding in said
    assert said.isascii()
    assert is_english()


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "gbk"])
def test_what_can_be_shown_is_spoken(encoding: str) -> None:
    assert choose(["--language", "zh_CN"], {}, Stream(encoding)) == ""
    assert not is_english()
    assert choose([], {}, Stream(encoding)) == ""
    assert is_english()


@pytest.mark.parametrize("damage", ["empty", "cut", "no catalogue", "other bytes"])
def test_a_damaged_catalogue_is_none(
    monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    whole = pkgutil.get_data("vfio_doctor", MADE)
    assert whole
    wrong = {
        "empty": b"",
        "cut": whole[: len(whole) // 2],
        "no catalogue": b"#!/bin/sh\n",
        "other bytes": whole[:-9000] + bytes(range(128, 248)) * 75,
    }
    monkeypatch.setattr(pkgutil, "get_data", lambda *_: wrong[damage])
    assert choose(["--language=zh_CN"], {}, None) == ""
    assert is_english()
