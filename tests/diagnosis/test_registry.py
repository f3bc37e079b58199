"""Every rule in the tree is found, wherever the program was unpacked to."""

from __future__ import annotations

import ast
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from vfio_doctor.api import Check
from vfio_doctor.diagnosis import registry
from vfio_doctor.diagnosis.registry import load

ROOT = Path(__file__).resolve().parents[2]
IDS = """
import sys
sys.path.insert(0, sys.argv[1])
from vfio_doctor.diagnosis.registry import load
found = load()
print(*(rule.id for rule in (*found.checks, *found.fixes)))
"""


def classes(folder: str) -> Iterator[tuple[str, list[str], bool]]:
    """Yield (place, names of the bases, has an id) of each class below a folder."""
    for path in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                bases = [ast.unparse(b).rpartition(".")[2] for b in node.bases]
                named = [t for a in node.body for t in targets(a)]
                module = path.relative_to(ROOT).with_suffix("").as_posix()
                place = f"vfio_doctor.{module.replace('/', '.')}.{node.name}"
                yield place, bases, "id" in named


def targets(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.Assign):
        return [t.id for t in node.targets if isinstance(t, ast.Name)]
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return [node.target.id]
    return []


@pytest.mark.parametrize(("folder", "base"), [("checks", "Check"), ("fixes", "Fix")])
def test_every_rule_in_the_tree_is_registered(folder: str, base: str) -> None:
    found = list(classes(folder))
    derived = {base}
    while (
        more := {
            place.rpartition(".")[2] for place, bases, _ in found if derived & {*bases}
        }
        - derived
    ):
        derived |= more
    used_as_base = {name for _, bases, _ in found for name in bases}
    rules = {
        place
        for place, bases, has_id in found
        if derived & {*bases}
        if has_id or place.rpartition(".")[2] not in used_as_base
    }
    assert rules == {
        f"{rule.__module__}.{rule.__qualname__}" for rule in getattr(load(), folder)
    }


def test_an_id_that_is_taken_is_said_with_both_files(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    modules = []
    for name in ("one", "two"):
        made = ModuleType(f"rules_{name}")
        made.__file__ = f"/rules/{name}.py"
        made.__dict__["Rule"] = type(
            "Rule", (Check,), {"id": "same", "__module__": made.__name__}
        )
        monkeypatch.setitem(sys.modules, made.__name__, made)
        modules.append(made)
    with pytest.raises(ValueError, match="same: this id is declared in") as raised:
        registry._unique(registry._declared(modules, Check))
    for part in ("/rules/one.py", "/rules/two.py", "an id of its own"):
        assert part in str(raised.value)


@pytest.mark.slow
@pytest.mark.runs("python")
def test_rules_are_found_in_an_archive(tmp_path: Path) -> None:
    path = tmp_path / "doctor.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for folder, inside in (
            ("vfio_doctor", ""),
            ("checks", "vfio_doctor/"),
            ("fixes", "vfio_doctor/"),
        ):
            for file in sorted((ROOT / folder).rglob("*.py")):
                name = file.relative_to(ROOT).as_posix()
                if not name.startswith(("vfio_doctor/checks", "vfio_doctor/fixes")):
                    archive.write(file, f"{inside}{name}")
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", IDS, str(path)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    own = load()
    assert done.stderr == ""
    checks, fixes = [c.id for c in own.checks], [f.id for f in own.fixes]
    assert done.stdout.split() == [*checks, *fixes]
