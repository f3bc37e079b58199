from __future__ import annotations

import re
from functools import cache
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from support.click_runner import runner
from support.fixture_hosts import verdicts
from support.rows import for_each
from vfio_doctor.app.docstring import dedented
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.docs.man import roff
from vfio_doctor.docs.page import read
from vfio_doctor.docs.rules import check_page

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = str(ROOT / "scripts" / "documents")
docs: Any = ModuleType("documents")
docs.__file__ = SCRIPT
SourceFileLoader("documents", SCRIPT).exec_module(docs)
# Made once, for whoever asks.
docs.documents = cache(docs.documents)


def made() -> dict[str, str]:
    return docs.documents()  # type: ignore[no-any-return]


@pytest.mark.slow
def test_documents_are_up_to_date() -> None:
    assert list(docs.differences(made(), ROOT / "docs")) == []


def test_writing_makes_them_so_and_drops_old_pages(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "gone.md").write_text("x", encoding="utf-8")
    wrong = list(docs.differences(made(), tmp_path))
    assert len(wrong) == len(made()) + 1
    assert wrong[-1].endswith("gone.md: no such rule")
    docs.write(made(), tmp_path)
    assert list(docs.differences(made(), tmp_path)) == []
    (tmp_path / "cli.md").write_text("old", encoding="utf-8")
    assert [w.split(": ")[1] for w in docs.differences(made(), tmp_path)] == [
        "out of date"
    ]


@pytest.mark.parametrize(("mode", "status"), [("--stdout", 0), ("", 2)])
def test_modes(mode: str, status: int) -> None:
    result = runner().invoke(docs.main, [mode] if mode else [])
    assert result.exit_code == status
    assert not status or "say --write, --check or --stdout" in result.stderr


def test_check_says_what_is_wrong(tmp_path: Path) -> None:
    result = runner().invoke(docs.main, ["--check"])
    assert result.exit_code == 0
    assert "up to date" in result.stdout


@for_each("check", load().checks, ids=lambda c: c.id)
def test_every_page_has_an_example(check: type) -> None:
    page = made()[f"rules/{check.id}.md"]  # type: ignore[attr-defined]
    assert "\n## Example\n" in page


def test_no_example_without_a_failing_host(tmp_path: Path) -> None:
    check = load().checks[0]
    assert verdicts.example(check.id, tmp_path) == ""
    assert "## Example" not in check_page(check, load(), "")


def test_links_lead_somewhere() -> None:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    pages += sorted((ROOT / "docs").rglob("*.md"))
    dead = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8"))
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert dead == []


def test_docstrings_are_taken_apart() -> None:
    page = read("One.\n\n    What it does:\n    Looks.\n\n        ls /\n\n    ")
    assert page == ("One.", (("What it does:", ("Looks.", "", "    ls /")),))
    assert dedented("") == []
    assert dedented(None) == []


def test_a_docstring_reads_the_same_on_every_python() -> None:
    kept = "One.\n\n    Examples:\n      a\n      b\n    "
    stripped = "One.\n\nExamples:\n  a\n  b\n"
    assert dedented(kept) == dedented(stripped)
    assert dedented(kept) == ["One.", "", "Examples:", "  a", "  b"]


@for_each(
    ("text", "shown"),
    [(".x", r"\&.x"), ("'x", r"\&'x"), ("a\\b", r"a\eb"), ("--a", r"\-\-a")],
)
def test_roff(text: str, shown: str) -> None:
    assert roff(text) == shown


@pytest.mark.runs("man")
@pytest.mark.needs_tool("man")
def test_man_can_show_the_page(tmp_path: Path) -> None:
    import subprocess

    path = tmp_path / "vfio-doctor.1"
    path.write_text(made()["vfio-doctor.1"], encoding="utf-8")
    shown = subprocess.run(
        ["man", "--warnings", "-l", str(path)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "MANPAGER": "cat"},
    )
    assert "EXIT STATUS" in shown.stdout
    assert shown.stderr == ""
