"""Write the fixture hosts as captures, or check those that are written."""

from __future__ import annotations

import filecmp
import json
import shutil
import tempfile
from pathlib import Path

from support.fixture_hosts.parts import Recipe, capture
from support.fixture_hosts.recipes import RECIPES
from vfio_doctor.commands import fixture
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.facts.base import Facts
from vfio_doctor.host.capture_io import save
from vfio_doctor.host.captured import CapturedHost

# Names of fixture hosts that a real kernel made, in scripts/e2e.
REAL = "real-"


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


def real_hosts(target: Path) -> list[Path]:
    """Return the folders of hosts that scripts/e2e has captured."""
    return sorted(path.parent for path in target.glob(f"{REAL}*/expected.json"))


def take_real(attachments: Path, target: Path) -> int:
    """Make fixtures of what scripts/e2e has left, in place of the former ones."""
    found = sorted(attachments.glob(f"{REAL}*.tar.gz"))
    for path in found:
        name = path.name.removesuffix(".tar.gz")
        shutil.rmtree(target / name, ignore_errors=True)
        fixture.write(name, str(path), str(target))
    print(f"{len(found)} real hosts written to {target}")
    return 0 if found else 1


def check(scratch: Path, target: Path) -> int:
    """Say which files are not as the recipes, or a diagnosis of today, make them."""
    wrong = [
        f"{recipe.name}/{name}"
        for recipe in RECIPES
        for name in difference(scratch / recipe.name, target / recipe.name)
    ]
    real = real_hosts(target)
    wrong += [
        f"{folder.name}/expected.json"
        for folder in real
        if fixture.expected(str(folder)) != (folder / "expected.json").read_text()
    ]
    count = len(RECIPES) + len(real)
    print("\n".join(wrong) or f"{count} fixture hosts are as written")
    return 1 if wrong else 0


def main(arguments: list[str], target: Path) -> int:
    """Write all hosts below ``target``, or compare with ``--check``.

    ``--real FOLDER`` takes over what scripts/e2e has captured there.
    """
    if arguments[:1] == ["--real"]:
        return take_real(Path(arguments[1]), target)
    with tempfile.TemporaryDirectory() as scratch:
        for recipe in RECIPES:
            write(recipe, Path(scratch, recipe.name))
        if arguments == ["--check"]:
            return check(Path(scratch), target)
        for recipe in RECIPES:
            shutil.rmtree(target / recipe.name, ignore_errors=True)
            shutil.copytree(Path(scratch, recipe.name), target / recipe.name)
    for folder in real_hosts(target):
        (folder / "expected.json").write_text(fixture.expected(str(folder)))
    print(f"{len(RECIPES)} fixture hosts written to {target}")
    return 0
