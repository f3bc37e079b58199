from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support import corpus
from support.rows import for_each
from vfio_doctor.parse import modules_load

# Whether a list is too late depends on the driver that took the card: not the list's.
NEEDS_DEVICES = "too-late-for-early-bind"


def records() -> list[Any]:
    found = corpus.records("modules-load.jsonl")
    return [pytest.param(record, id=record["id"]) for record in found]


@for_each("record", records())
def test_corpus(record: dict[str, Any]) -> None:
    expected = record["expected"]
    if record["file"].startswith("mkinitcpio"):
        text = f"MODULES=({record['text'].strip()})"
        modules = modules_load.parse_shell_list(text, "MODULES")
        kinds = set()
    else:
        found = modules_load.parse(record["text"])
        modules, kinds = found.modules, {problem.kind for problem in found.problems}
    assert list(modules) == expected.get("modules", list(modules))
    gone = {f"obsolete-module:{name}" for name in modules_load.obsolete(modules)}
    problems = {text.partition(" ")[0] for text in expected.get("problems", [])}
    assert kinds | gone == problems - {NEEDS_DEVICES}


def test_initramfs_list_of_the_corpus() -> None:
    record = next(
        r for r in corpus.records("modprobe.jsonl") if r["id"] == "modprobe-029"
    )
    found = modules_load.parse_initramfs_tools(record["text"])
    kinds = {problem.kind for problem in found.problems}
    gone = {f"obsolete-module:{name}" for name in modules_load.obsolete(found.modules)}
    assert kinds | gone == set(record["expected"]["problems"])
    assert found.modules[-2:] == ("vfio_pci", "amdgpu")


@for_each(
    ("text", "modules", "kinds"),
    [
        ("kvmfr", ["kvmfr"], []),
        ("# x\n; y\n\n  vfio-pci  \n", ["vfio_pci"], []),
        ("options kvmfr static_size_mb=64\n", [], ["kernel-parameter-in-module-list"]),
        ("vfio vfio_pci\n", [], ["several-words"]),
    ],
)
def test_lines(text: str, modules: list[str], kinds: list[str]) -> None:
    found = modules_load.parse(text)
    assert list(found.modules) == modules
    assert [problem.kind for problem in found.problems] == kinds


@for_each(
    ("text", "variable", "expected"),
    [
        ("MODULES=(a b-c)\n", "MODULES", ("a", "b_c")),
        ('MODULES="a b"\n', "MODULES", ("a", "b")),
        ("#MODULES=(a)\nMODULES=()\n", "MODULES", ()),
        ("MODULES=(a\n  # no\n  'b')\n", "MODULES", ("a", "b")),
        ('force_drivers+=" kvmfr "\n', "force_drivers", ("kvmfr",)),
        ("force_drivers=kvmfr\n", "force_drivers", ("kvmfr",)),
        ('add_drivers+=" kvmfr "\n', "force_drivers", ()),
    ],
)
def test_shell_lists(text: str, variable: str, expected: tuple[str, ...]) -> None:
    assert modules_load.parse_shell_list(text, variable) == expected


@for_each(
    ("release", "gone"),
    [("6.1.0-28-amd64", ()), ("6.2.0", ("vfio_virqfd",)), ("", ("vfio_virqfd",))],
)
def test_obsolete(release: str, gone: tuple[str, ...]) -> None:
    assert modules_load.obsolete(("vfio", "vfio_virqfd"), release) == gone


def test_argument() -> None:
    assert modules_load.parse_argument("kvm,vfio-pci,") == ("kvm", "vfio_pci")


@given(st.text())
def test_never_raises(text: str) -> None:
    modules_load.parse(text)
    modules_load.parse_initramfs_tools(text)
    modules_load.parse_shell_list(text, "MODULES")
    modules_load.parse_argument(text)
    modules_load.obsolete((text,), text)


@given(st.lists(st.text("abc_xyz09", min_size=1)))
def test_what_is_written_is_read(names: list[str]) -> None:
    text = "".join(f"{name}\n" for name in names)
    assert modules_load.parse(text) == (tuple(names), ())
