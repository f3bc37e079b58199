"""The documentation site: its pages laid out for mkdocs, and what is built held.

A language is a site of its own: `en` at the top, `zh_CN` below it. A link from one
to the other is written as HTML, which mkdocs leaves alone; `check` follows it too.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from posixpath import dirname, join, normpath

from support.fixture_hosts import catalogue, verdicts
from support.site_links import faults, styles
from support.speaking import speaking
from vfio_doctor.api import Check
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.docs.example import example
from vfio_doctor.docs.rules import pages
from vfio_doctor.language import CHINESE, ENGLISH

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
SCHEMA = ROOT / "vfio_doctor/report/report-1.schema.json"
# As pages below docs/ link to it.
FROM_DOCS = f"../vfio_doctor/report/{SCHEMA.name}"
GUIDES = ("image-based", "fedora", "debian", "arch", "nixos", "proxmox")
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)#\s]+\.md)(#[^)\s]*)?\)")
# In the order of the menu: (title, page), or (title, pages whose first line is theirs).
MENUS: dict[str, tuple[tuple[str, str | tuple[str, ...]], ...]] = {
    ENGLISH: (
        ("Start", "index.md"),
        ("Set-up guides", tuple(f"guides/{name}.md" for name in GUIDES)),
        ("A set-up", "setup.md"),
        ("The story of one repair", "repair.md"),
        ("Rules", ("rules.md", "rules/")),
        ("Virtual machines", ("vm.md", "vm-lints.md")),
        ("Help somebody", ("bug-report.md", "capture-format.md", "not-checked.md")),
        ("Reference", ("cli.md", "json.md", "plugins.md", "plugin-names.md")),
        ("Project", ("design.md", "contributing.md", "packages.md")),
    ),
    CHINESE: (
        ("\u5f00\u59cb", "index.md"),
        ("\u8bbe\u7f6e\u6307\u5357", tuple(f"guides/{name}.md" for name in GUIDES)),
        ("\u8bbe\u7f6e\u8fc7\u7a0b", "setup.md"),
        ("\u4e00\u6b21\u4fee\u590d\u7684\u7ecf\u8fc7", "repair.md"),
        ("\u89c4\u5219", ("rules.md", "rules/")),
        ("\u865a\u62df\u673a", ("vm.md", "vm-lints.md")),
        ("\u5411\u4eba\u6c42\u52a9", "bug-report.md"),
        ("\u53c2\u8003", ("cli.md", "json.md", "plugins.md")),
        ("\u672f\u8bed\u8868", "terms.md"),
    ),
}


def lay_out(folder: Path) -> None:
    """Write the pages of both languages, and what mkdocs reads about them."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copy(ROOT / "packaging/site/mkdocs.yml", folder / "mkdocs.yml")
    for language, held in ((ENGLISH, english()), (CHINESE, chinese())):
        for name, text in held.items():
            path = folder / language / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(across(name, text, held), encoding="utf-8")
        settings = json.dumps(config(language, held), ensure_ascii=False, indent=1)
        (folder / f"mkdocs-{language}.yml").write_text(settings, encoding="utf-8")
    shutil.copy(SCHEMA, folder / ENGLISH / SCHEMA.name)


def english() -> dict[str, str]:
    """Return the pages: what lies below docs/, and two from beside it."""
    held = dict(_below(DOCS))
    held = {name: text for name, text in held.items() if not name.startswith("zh_CN/")}
    held["json.md"] = held["json.md"].replace(FROM_DOCS, SCHEMA.name)
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    held["contributing.md"] = contributing.replace("](docs/", "](")
    held["packages.md"] = (ROOT / "packaging/README.md").read_text(encoding="utf-8")
    return held


def chinese() -> dict[str, str]:
    """Return the pages: what lies below docs/zh_CN/, and the rules.

    These are made here alone: what lies below docs/ links to the English ones.
    """
    below = dict(_below(DOCS / CHINESE))
    held = {name: text.replace("](../rules", "](rules") for name, text in below.items()}
    held["json.md"] = held["json.md"].replace(f"../{FROM_DOCS}", f"../{SCHEMA.name}")
    with speaking(CHINESE):
        held.update(pages(load(), _example))
    return held


def _below(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".md", ".svg"):
            yield str(path.relative_to(folder)), path.read_text(encoding="utf-8")


def _example(check: type[Check]) -> str:
    name = verdicts.example(check.id)
    return example(check, catalogue.host(name)) if name else ""


def across(name: str, text: str, held: dict[str, str]) -> str:
    """Return a page with its links to the other language as HTML."""

    def written(found: re.Match[str]) -> str:
        label, target, part = found[1], found[2], found[3] or ""
        if "://" in target or normpath(join(dirname(name), target)) in held:
            return found[0]
        return f'<a href="{target.removesuffix(".md")}.html{part}">{label}</a>'

    return LINK.sub(written, text)


def config(language: str, held: dict[str, str]) -> dict[str, object]:
    """Return what mkdocs reads about a language, beside what both share."""
    is_top = language == ENGLISH
    return {
        "INHERIT": "mkdocs.yml",
        "docs_dir": language,
        "site_dir": "site" if is_top else f"site/{language}",
        "theme": {"language": "en" if is_top else "zh"},
        "extra": {"alternate": alternates(is_top)},
        "nav": [{title: _entry(held, wanted)} for title, wanted in MENUS[language]],
    }


def alternates(is_top: bool) -> list[dict[str, str]]:
    """Return where the languages start, as seen from the top of one."""
    way = "" if is_top else "../"
    return [
        {"name": "English", "link": f"{way}index.html", "lang": "en"},
        {
            "name": "\u4e2d\u6587",
            "link": f"{way}{CHINESE}/index.html",
            "lang": "zh",
        },
    ]


def _entry(held: dict[str, str], wanted: str | tuple[str, ...]) -> object:
    if isinstance(wanted, str):
        return wanted
    return [page for one in wanted for page in _pages(held, one)]


def _pages(held: dict[str, str], one: str) -> Iterator[object]:
    """Yield a page, or those of a folder by their names alone."""
    if not one.endswith("/"):
        yield one
        return
    for name in sorted(held):
        if name.startswith(one):
            yield {name.removeprefix(one).removesuffix(".md"): name}


def check(folder: Path) -> tuple[list[str], int]:
    """Return the faults of a built site, and how many pages it has."""
    # A server shows the page for what it lacks at any path: its links are absolute.
    found = [p for p in sorted(folder.rglob("*.html")) if p.name != "404.html"]
    wrong = [fault for path in found for fault in faults(path, folder)]
    return [*wrong, *styles(folder)], len(found)
