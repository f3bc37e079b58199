"""Hold sizes and names against docs/design.md, section 7."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from statistics import median
from typing import NamedTuple

import pytest

from support.syntax import nodes

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("vfio_doctor", "checks", "fixes", "tests")
LONGEST_FILE = 500
LONGEST_FUNCTION = 50
MEDIAN_FUNCTION = 12


class Function(NamedTuple):
    place: str
    lines: int
    typed: bool


@cache
def files() -> list[Path]:
    found = (p for folder in FOLDERS for p in (ROOT / folder).rglob("*.py"))
    skipped = {"__pycache__", "fixtures"}
    return sorted(p for p in found if not skipped & set(p.relative_to(ROOT).parts))


def scripts() -> list[Path]:
    return sorted(p for p in (ROOT / "scripts").iterdir() if p.is_file())


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def functions(path: Path) -> tuple[Function, ...]:
    return tuple(functions_in(path))


def functions_in(path: Path) -> Iterator[Function]:
    # What tests are made of is asked for here alone: not kept.
    parts = nodes.__wrapped__(path) if shown(path).startswith("tests/") else nodes(path)
    for node in parts:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            place = f"{shown(path)}:{node.lineno} {node.name}"
            yield Function(place, lines, node.returns is not None)


def test_files_are_short() -> None:
    sizes = {shown(p): len(p.read_text().splitlines()) for p in (*files(), *scripts())}
    assert {path: size for path, size in sizes.items() if size > LONGEST_FILE} == {}


def test_functions_are_short() -> None:
    every = [f for path in files() for f in functions(path)]
    assert [f for f in every if f.lines > LONGEST_FUNCTION] == []


def test_functions_are_short_on_the_whole() -> None:
    own = [path for path in files() if not shown(path).startswith("tests/")]
    assert median(f.lines for p in own for f in functions(p)) <= MEDIAN_FUNCTION


def test_everything_is_typed() -> None:
    # The runtime half of value.py is hidden from type checkers by its purpose.
    bare = [
        f.place
        for path in files()
        if shown(path) != "vfio_doctor/value.py"
        for f in functions(path)
        if not f.typed
    ]
    assert bare == []


def test_test_modules_have_unique_names() -> None:
    names = [p.name for p in files() if p.name.startswith("test_")]
    assert sorted(names) == sorted(set(names))


@pytest.mark.slow
def test_no_merge_was_left_half_done() -> None:
    texts = [p for p in ROOT.iterdir() if p.suffix in (".md", ".cfg", ".toml")]
    texts += [p for p in (ROOT / "docs").rglob("*") if p.is_file()]
    marks = ("<<<<<<< ", ">>>>>>> ")
    lines = (
        f"{shown(path)}: {line}"
        for path in [*texts, *files(), *scripts()]
        for line in path.read_text(encoding="utf-8").splitlines()
    )
    assert [line for line in lines if line.partition(": ")[2].startswith(marks)] == []
