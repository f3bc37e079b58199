"""Write the fixture hosts as captures, or check those that are written."""

from __future__ import annotations

import filecmp
import json
import tempfile
from pathlib import Path

from fixture_hosts.parts import Recipe, capture
from fixture_hosts.recipes import RECIPES
from vfio_doctor.engine.diagnose import diagnose
from vfio_doctor.engine.registry import load
from vfio_doctor.facts.base import Facts
from vfio_doctor.host.capture_io import save
from vfio_doctor.host.captured import CapturedHost


def verdicts(host: CapturedHost) -> dict[str, str]:
    """Return how every check ends on that host."""
    results = diagnose(Facts(host), load())
    return {result.id: result.status.value for result in results}


def write(recipe: Recipe, folder: Path) -> None:
    """Write one host: the capture, and beside it ``expected.json``."""
    held = capture(recipe)
    save(held, folder)
    expected = json.dumps(verdicts(CapturedHost(held)), indent=1)
    (folder / "expected.json").write_text(f"{expected}\n")


def tree(folder: Path) -> set[str]:
    """Return every file below a folder, by relative name."""
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


def difference(new: Path, old: Path) -> list[str]:
    """Return the files that are not the same in both folders."""
    names = sorted(tree(new) | tree(old))
    return filecmp.cmpfiles(new, old, names, shallow=False)[1] + sorted(
        tree(new) ^ tree(old)
    )


def main(arguments: list[str], target: Path) -> int:
    """Write all hosts below ``target``, or compare with ``--check``."""
    with tempfile.TemporaryDirectory() as scratch:
        for recipe in RECIPES:
            write(recipe, Path(scratch, recipe.name))
        if arguments == ["--check"]:
            wrong = [
                f"{recipe.name}/{name}"
                for recipe in RECIPES
                for name in difference(Path(scratch, recipe.name), target / recipe.name)
            ]
            print("\n".join(wrong) or f"{len(RECIPES)} fixture hosts are as written")
            return 1 if wrong else 0
        import shutil

        for recipe in RECIPES:
            shutil.rmtree(target / recipe.name, ignore_errors=True)
            shutil.copytree(Path(scratch, recipe.name), target / recipe.name)
    print(f"{len(RECIPES)} fixture hosts written to {target}")
    return 0
