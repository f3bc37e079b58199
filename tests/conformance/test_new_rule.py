"""A rule costs few files: one is made by CONTRIBUTING.md's commands, and counted."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.effort import is_all

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("checks", "docs", "fixes", "scripts", "tests", "vfio_doctor")
FILES = ("CONTRIBUTING.md", "README.md", "pyproject.toml", "setup.cfg")
# Another than the example of CONTRIBUTING.md, which somebody may have tried.
RULE = "counted-rule-with-quite-a-long-name"
MODULE = RULE.replace("-", "_")
FILES_AT_MOST = 8
TO_FILL_IN = re.compile(r"\(fill in[^)]*\)\.?", re.IGNORECASE)
# What looks at every rule, and what looks at all that is written for one.
TESTS = (
    "tests/conformance/test_rules.py",
    "tests/architecture/test_messages.py",
    "tests/docs",
    "tests/fixes/test_every_fix.py",
    "tests/report/test_goldens.py",
    f"tests/checks/test_{MODULE}.py",
)
SELECT = ("-q", "-k", f"{RULE} or {MODULE} or written_as or up_to_date or unique")
pytestmark = [pytest.mark.runs("python"), pytest.mark.slow]


def commands(area: str) -> list[list[str]]:
    """Return the commands for a new rule, without the one that tests everything."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = text.partition("## Add a check with its fix")[2].partition("\n## ")[0]
    lines = re.findall(r"^    (\S.*)$", section.partition("\n1. ")[0], re.MULTILINE)
    assert lines[0] == "scripts/test --quick"
    assert lines[-1] == '.venv/bin/pytest -q -k "toy-rule or toy_rule"'
    first = lines[1].replace("boot", area).replace("toy-rule", RULE).split()
    assert first[1:] == ["--area", area, RULE]
    return [first, *(line.split() for line in lines[2:-1])]


def copy_of_the_checkout(tree: Path) -> None:
    for name in FOLDERS:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, tree / name, symlinks=True, ignore=ignored)
    for name in FILES:
        shutil.copy(ROOT / name, tree / name)


def fill_in(tree: Path) -> None:
    """Take away what the templates ask for in brackets."""
    for path in tree.glob(f"*/*/{MODULE}.py"):
        text = path.read_text(encoding="utf-8")
        assert TO_FILL_IN.search(text), path
        path.write_text(TO_FILL_IN.sub("filled in.", text), encoding="utf-8")


def content(tree: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(tree)): path.read_bytes()
        for path in tree.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def run(tree: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, *words],
        cwd=tree,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.parametrize("area", ["kvmfr", "boot"] if is_all() else ["kvmfr"])
def test_a_new_rule_touches_few_files(tmp_path: Path, area: str) -> None:
    tree = tmp_path / "clone"
    copy_of_the_checkout(tree)
    before = content(tree)
    first, *rest = commands(area)
    run(tree, *first)
    fill_in(tree)
    for words in rest:
        run(tree, *words)
    after = content(tree)
    assert before.keys() <= after.keys()
    changed = {name for name in after if before.get(name) != after[name]}
    assert len(changed) <= FILES_AT_MOST, changed
    shared = {"docs/rules.md", f"checks/{area}/_index.py"}
    assert changed & before.keys() == shared & before.keys()
    assert {name for name in changed if "verdicts/" in name} == {
        f"tests/fixtures/verdicts/{RULE}"
    }
    run(tree, "-m", "ruff", "format", "--check", "--quiet", *python(changed))
    run(tree, "-m", "ruff", "check", "--quiet", *python(changed))
    said = run(tree, "-m", "pytest", "-p", "no:cacheprovider", *TESTS, *SELECT)
    assert int(re.findall(r"(\d+) passed", said)[-1]) >= 15


def python(names: set[str]) -> list[str]:
    return sorted(name for name in names if name.endswith(".py"))
