"""A translator gets every text, and hears what a catalogue lacks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from support.rows import for_each
from support.templates import ROOT, Template, missing, templates, unknown
from vfio_doctor.diagnosis.registry import load

TEMPLATES = templates(load())
WHOLE = {one.id: one.template for one in TEMPLATES}
SCRIPT = ROOT / "scripts" / "messages"


def test_every_text_has_an_id_of_its_own() -> None:
    assert len(WHOLE) == len(TEMPLATES)
    assert {one.kind for one in TEMPLATES} == {"message", "title", "summary", "page"}
    assert all(one.template.strip() for one in TEMPLATES)


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
    assert [one.kind for one in TEMPLATES if one.id == name] == [kind]


def test_a_whole_catalogue_lacks_nothing() -> None:
    assert missing(WHOLE, TEMPLATES) == ()
    assert unknown(WHOLE, TEMPLATES) == ()


def test_what_a_catalogue_lacks_is_named() -> None:
    one = next(t for t in TEMPLATES if t.fields and t.kind == "message")
    other = next(t for t in TEMPLATES if t.kind == "page")
    lacking = {**WHOLE, one.id: "这里没有字段", "gone": "x"}
    del lacking[other.id]
    assert missing(lacking, TEMPLATES) == tuple(sorted((one, other)))
    assert unknown(lacking, TEMPLATES) == ("gone",)


def test_fields_may_stand_in_another_order() -> None:
    one = Template("a", "message", "{what} of {where}", "x.py:1")
    assert missing({"a": "{where} 的 {what}"}, [one]) == ()
    assert missing({"a": "{where} 的 {wat}"}, [one]) == (one,)
    assert missing({"a": ""}, [one]) == (one,)


@pytest.mark.runs("python")
def test_the_script_prints_lines_of_json(tmp_path: Path) -> None:
    catalogue = tmp_path / "zh.json"
    whole = run()
    assert [json.loads(line) for line in whole.stdout.splitlines()] == [
        one._asdict() for one in TEMPLATES
    ]
    catalogue.write_text(json.dumps(WHOLE), encoding="utf-8")
    assert run("--missing", str(catalogue)).returncode == 0
    but_one = {name: text for name, text in WHOLE.items() if name != "verdict-nothing"}
    catalogue.write_text(json.dumps(but_one), encoding="utf-8")
    lacks = run("--missing", str(catalogue))
    assert lacks.returncode == 1
    assert [json.loads(line)["id"] for line in lacks.stdout.splitlines()] == [
        "verdict-nothing"
    ]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
