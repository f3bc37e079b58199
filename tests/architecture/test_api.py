"""What rules may import: the list stands once, and costs when it is used."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from vfio_doctor import __main__ as start
from vfio_doctor import api

ROOT = Path(__file__).resolve().parents[2]
LOADED = """
import sys
import vfio_doctor.api
print(*(name for name in sys.modules if name.startswith("vfio_doctor.")))
"""


def offered() -> dict[str, tuple[str, str]]:
    """Return what the lines for type checkers say."""
    tree = ast.parse(Path(api.__file__).read_text(encoding="utf-8"))
    (block,) = (
        node
        for node in tree.body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    )
    return {
        alias.asname or alias.name: (node.module or "", alias.name)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def test_what_checkers_see_is_what_rules_get() -> None:
    for name, (module, own_name) in offered().items():
        held = getattr(import_module(module), own_name)
        assert getattr(api, name) is held, name


def test_nothing_is_lost_on_the_way() -> None:
    assert {*dir(api)} == {*offered(), "Applicability", "Check", "Fix"}


def test_a_name_that_is_not_offered_is_an_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'KvmfrIntents'"):
        _ = api.KvmfrIntents  # type: ignore[attr-defined]
    with pytest.raises(ImportError):
        exec("from vfio_doctor.api import KvmfrIntents")


@pytest.mark.runs("python")
def test_the_api_alone_imports_no_fact() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED],
        cwd=ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )
    assert "vfio_doctor.api" in done.stdout.split()
    assert not [n for n in done.stdout.split() if n.startswith("vfio_doctor.facts.")]


@pytest.mark.parametrize("has", [True, False], ids=["PEP 810", "before"])
def test_lazy_imports_are_switched_on_if_there_are_any(
    has: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes: list[Any] = []
    if has:
        monkeypatch.setattr(sys, "set_lazy_imports", modes.append, raising=False)
    else:
        monkeypatch.delattr(sys, "set_lazy_imports", raising=False)
    import gc

    before = gc.get_threshold()
    try:
        gc.set_threshold(700, 10, 10)
        start._hurry()
        assert gc.get_threshold()[0] > 700
    finally:
        gc.set_threshold(*before)
    assert modes == ["all"] * has
