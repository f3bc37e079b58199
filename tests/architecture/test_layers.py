"""Hold the imports against the table of docs/design.md, section 2."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from support.rows import for_each
from support.syntax import nodes

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "vfio_doctor"
# From the top down: a layer imports what stands below it.
LAYERS = (
    ("__main__",),
    ("cli",),
    ("commands",),
    ("docs",),
    ("app",),
    ("report",),
    ("repair",),
    ("diagnosis",),
    ("boot",),
    ("checks", "fixes"),
    ("api",),
    ("lints",),
    ("facts",),
    ("host",),
    ("parse",),
    ("model",),
    ("places", "steps"),
    ("messages",),
    ("language", "shell_words"),
    ("value",),
    ("__init__",),
)
HEIGHT = {name: -at for at, names in enumerate(LAYERS) for name in names}
# Loaded by name, so that a broken plug-in stops nothing.
PURE = ("checks", "fixes")
ACTING = {"subprocess", "pty", "socket", "ctypes", "shutil"}
MAY_ACT = ("host/", "repair/")
BANNED_FILES = {"utils.py", "helpers.py", "util.py", "common.py", "manager.py"}


@cache
def modules() -> list[Path]:
    """Every module of ours, each by its real place."""
    inside = [p for p in PACKAGE.rglob("*.py") if "__pycache__" not in p.parts]
    own = [p for p in inside if p.relative_to(PACKAGE).parts[0] not in PURE]
    return sorted([*own, *(p for name in PURE for p in (ROOT / name).rglob("*.py"))])


def name_of(path: Path) -> str:
    if path.is_relative_to(PACKAGE):
        return str(path.relative_to(PACKAGE))
    return str(path.relative_to(ROOT))


def layer(name: str) -> str:
    return name.partition("/")[0].removesuffix(".py")


def imported(path: Path) -> Iterator[str]:
    for node in nodes(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            yield module
            if module == "vfio_doctor":
                yield from (f"vfio_doctor.{alias.name}" for alias in node.names)


def faults(path: Path) -> Iterator[str]:
    name = name_of(path)
    own = layer(name)
    for module in imported(path):
        first, *rest = module.split(".")
        if first in PURE:
            yield f"{name} imports {module}: write vfio_doctor.{module}"
        if first in ACTING and not name.startswith(MAY_ACT):
            yield f"{name} imports {first}, which acts on the machine"
        if first != "vfio_doctor" or not rest or rest[0].startswith("__"):
            continue
        if own in PURE and module != "vfio_doctor.api":
            yield f"{name} imports {module}: checks and fixes import the api only"
        target = rest[0]
        if HEIGHT.get(target, 99) > HEIGHT[own]:
            yield f"{name} imports {module}, which is above it"


def test_imports_point_down() -> None:
    assert [fault for path in modules() for fault in faults(path)] == []


@pytest.mark.parametrize("name", PURE)
def test_links_point_to_the_real_folders(name: str) -> None:
    link = PACKAGE / name
    assert link.is_symlink()
    assert link.readlink() == Path("..", name)
    assert (ROOT / name / "__init__.py").is_file()


def test_no_file_is_called_after_nothing() -> None:
    found = {path.name for path in modules()} & BANNED_FILES
    assert not found


def names_of(pure: str) -> list[Path]:
    return [path for path in modules() if name_of(path).startswith(f"{pure}/")]


JUDGING = [path for room in ("checks", "fixes", "lints") for path in names_of(room)]


@for_each("path", JUDGING, ids=name_of)
def test_checks_and_fixes_are_pure(path: Path) -> None:
    used = {module.partition(".")[0] for module in imported(path)}
    assert not used & {"os", "io", "pathlib", "time", "random", "sys", "glob"}
    calls = {
        node.func.id
        for node in nodes(path)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not calls & {"open", "eval", "exec", "__import__", "print", "input"}


def test_only_the_table_draws_tables() -> None:
    users = {name_of(p) for p in modules() if "tabulate" in set(imported(p))}
    assert users == {"report/table.py"}


def test_named_tuples_are_the_cheap_ones() -> None:
    dear = {
        name_of(path)
        for path in modules()
        if layer(name_of(path)) not in PURE
        for node in nodes(path)
        if isinstance(node, ast.ImportFrom) and node.module == "typing"
        if "NamedTuple" in {alias.name for alias in node.names}
    }
    assert dear <= {"value.py"}, "import NamedTuple from vfio_doctor.value"
