"""No module needs, by whatever way, one that needs it: imports for types count too."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from architecture.test_layers import modules, name_of
from support.syntax import nodes


def dotted(path: Path) -> str:
    name = name_of(path).removesuffix(".py").removesuffix("/__init__")
    plain = name.replace("/", ".")
    return plain if plain.startswith("vfio_doctor") else f"vfio_doctor.{plain}"


def needed(path: Path) -> Iterator[str]:
    """Yield what it imports: a module, or a name that may be a module in a package."""
    for node in nodes(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def graph() -> dict[str, set[str]]:
    """Return the modules that each module imports; packages hold nothing of theirs."""
    paths = {f"{name_of(path)}": path for path in modules()}
    known = {dotted(p) for n, p in paths.items() if not n.endswith("__init__.py")}
    return {
        dotted(path): known.intersection(needed(path)) - {dotted(path)}
        for path in paths.values()
        if dotted(path) in known
    }


def circle(arrows: dict[str, set[str]]) -> list[str]:
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        found: list[str] = error.args[1]
        return found
    return []


def test_imports_go_in_no_circle() -> None:
    arrows = graph()
    assert len(arrows) > 300
    assert circle(arrows) == []


@pytest.mark.parametrize("way", ["import vfio_doctor.b", "from vfio_doctor import b"])
def test_a_circle_is_found(tmp_path: Path, way: str) -> None:
    one = tmp_path / "a.py"
    one.write_text(f"if TYPE_CHECKING:\n    {way}\n", encoding="utf-8")
    arrows = {"vfio_doctor.a": {*needed(one)} & {"vfio_doctor.b"}}
    assert circle(arrows) == []
    assert circle({**arrows, "vfio_doctor.b": {"vfio_doctor.a"}})
