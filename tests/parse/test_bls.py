from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support import corpus
from support.rows import for_each
from vfio_doctor.parse import bls, cmdline


def test_last_value_counts_but_options_are_joined() -> None:
    text = "title a\ntitle\tb  c\noptions x\n#options z\n options  y \r\n"
    assert bls.entry(text) == {"title": "b  c", "options": "x y"}
    assert bls.entry("title a") == {"title": "a"}


@for_each(
    ("path", "id_", "bad"),
    [
        ("/boot/loader/entries/arch.conf", "arch", False),
        ("arch+3.conf", "arch", False),
        ("arch+2-1.conf", "arch", False),
        ("arch+0-3.conf", "arch", True),
        ("6.1+deb.conf", "6.1+deb", False),
    ],
)
def test_entry_name(path: str, id_: str, bad: bool) -> None:
    assert bls.entry_name(path) == (id_, bad)


ORDER = ["", "0-rescue", "6.1~rc1", "6.1", "6.1-1", "6.9.0", "6.10.0-a", "6.10.0-10"]


def test_version_order() -> None:
    assert sorted(reversed(ORDER), key=bls.version_key) == ORDER


@given(st.text(), st.text())
def test_any_text_is_an_entry(one: str, two: str) -> None:
    assert isinstance(bls.entry(one), dict)
    bls.entry_name(one)
    first, second = bls.version_key(one), bls.version_key(two)
    assert (first < second) + (first > second) + (first == second) == 1


def records() -> list[Any]:
    return [pytest.param(r, id=r["id"]) for r in corpus.records("bls/INDEX.jsonl")]


@for_each("record", records())
def test_corpus(record: dict[str, Any]) -> None:
    expected = record["expected"]
    held = bls.entry(corpus.text(f"bls/{record['id']}"))
    line = cmdline.parse(held["options"])
    assert held.get("version") == expected.get("version")
    if "index" in expected:
        assert f"(ostree:{expected['index']})" in held["title"]
        assert (line.last("ostree") or "").startswith("/ostree/boot.1/")
    if "vfio_ids" in expected:
        assert (line.last("vfio-pci.ids") or "").split(",") == expected["vfio_ids"]
        assert expected["iommu"] in line.words
    if "stray-line" in expected.get("problems", ()):
        # What the break has cut off is no argument, neither for GRUB.
        assert line.words[-1] == "console="
        assert "tty0" in held
