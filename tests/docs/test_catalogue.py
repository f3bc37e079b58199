"""A translator gets every text, and hears what a catalogue lacks."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import pytest

from support.click_runner import runner
from support.rows import for_each
from support.templates import ROOT, Template, missing, templates, unknown
from vfio_doctor.diagnosis.registry import load

SCRIPT = str(ROOT / "scripts" / "messages")


@cache
def listed() -> list[Template]:
    return templates(load())


def every() -> dict[str, str]:
    return {one.id: one.template for one in listed()}


def test_every_text_has_an_id_of_its_own() -> None:
    assert len(every()) == len(listed())
    assert {one.kind for one in listed()} == {"message", "title", "summary", "page"}
    assert all(one.template.strip() for one in listed())


@for_each(
    ("name", "kind"),
    [
        ("iommu-off.title", "title"),
        ("iommu-off.page", "page"),
        ("grant-kvmfr-access.summary", "summary"),
        ("verdict-nothing", "message"),
        ("do-grub-menu", "message"),
    ],
)
def test_texts_of_each_room_are_found(name: str, kind: str) -> None:
    assert [one.kind for one in listed() if one.id == name] == [kind]


def test_a_whole_catalogue_lacks_nothing() -> None:
    assert missing(every(), listed()) == ()
    assert unknown(every(), listed()) == ()


def test_what_a_catalogue_lacks_is_named() -> None:
    one = next(t for t in listed() if t.fields and t.kind == "message")
    other = next(t for t in listed() if t.kind == "page")
    lacking = {**every(), one.id: "这里没有字段", "gone": "x"}
    del lacking[other.id]
    assert missing(lacking, listed()) == tuple(sorted((one, other)))
    assert unknown(lacking, listed()) == ("gone",)


def test_fields_may_stand_in_another_order() -> None:
    one = Template("a", "message", "{what} of {where}", "x.py:1")
    assert missing({"a": "{where} 的 {what}"}, [one]) == ()
    assert missing({"a": "{where} 的 {wat}"}, [one]) == (one,)
    assert missing({"a": ""}, [one]) == (one,)


@pytest.mark.slow
@pytest.mark.runs("python")
def test_the_script_prints_lines_of_json() -> None:
    said = subprocess.check_output([sys.executable, SCRIPT], encoding="utf-8")
    assert [json.loads(line) for line in said.splitlines()] == [
        one._asdict() for one in listed()
    ]


def test_the_script_prints_what_a_catalogue_lacks(tmp_path: Path) -> None:
    script = ModuleType("messages")
    script.__file__ = SCRIPT
    SourceFileLoader("messages", SCRIPT).exec_module(script)
    catalogue = tmp_path / "zh.json"
    held = every()
    for lacks in ([], ["verdict-nothing"]):
        kept = {name: text for name, text in held.items() if name not in lacks}
        catalogue.write_text(json.dumps(kept), encoding="utf-8")
        done = runner().invoke(script.main, ["--missing", str(catalogue)])
        assert done.exit_code == len(lacks)
        assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == lacks
