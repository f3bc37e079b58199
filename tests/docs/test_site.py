"""The site's pages are all in its menu, and what is wrong with a built one is found."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import site
from support.site_links import faults, read, styles
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.language import CHINESE, ENGLISH
from vfio_doctor.lints import every

BUILT = """<html><head><link rel="stylesheet" href="a.css"></head>
<body><h1 id="top">A</h1>{}</body></html>
"""


def in_menu(nav: object) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    elif isinstance(nav, dict):
        yield from in_menu(list(nav.values()))
    elif isinstance(nav, list):
        for one in nav:
            yield from in_menu(one)


@pytest.fixture(scope="module")
def laid_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "pages"
    site.lay_out(folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("language", [ENGLISH, CHINESE])
def test_every_page_is_in_the_menu(laid_out: Path, language: str) -> None:
    held = json.loads((laid_out / f"mkdocs-{language}.yml").read_text("utf-8"))
    listed = [*in_menu(held["nav"])]
    there = (p for p in (laid_out / language).rglob("*.md"))
    assert sorted(listed) == sorted(
        str(p.relative_to(laid_out / language)) for p in there
    )
    rules = {f"rules/{check.id}.md" for check in load().checks}
    assert rules <= set(listed)


def test_chinese_pages_speak_chinese(laid_out: Path) -> None:
    page = (laid_out / CHINESE / "rules/iommu-off.md").read_text("utf-8")
    assert page.startswith("# iommu-off: \u5185\u6838")
    assert "\n## \u8bef\u62a5\n" in page
    assert "What it does" not in page
    lints = (laid_out / CHINESE / "vm-lints.md").read_text("utf-8")
    assert all(f"\n## {lint.id}\n" in lints for lint in every())
    assert "How to put it right" not in lints


@pytest.mark.parametrize(
    ("name", "link", "written"),
    [
        ("a.md", "[b](b.md)", "[b](b.md)"),
        ("guides/a.md", "[b](../b.md#c)", "[b](../b.md#c)"),
        ("a.md", "[c](../c.md)", '<a href="../c.html">c</a>'),
        ("guides/a.md", "[c](../../c.md#d)", '<a href="../../c.html#d">c</a>'),
        ("a.md", "![b](../b.md)", "![b](../b.md)"),
    ],
)
def test_links_to_the_other_language_are_html(
    name: str, link: str, written: str
) -> None:
    assert site.across(name, link, {"a.md": "", "b.md": "", "guides/a.md": ""}) == (
        written
    )


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('<a href="b.html#there">b</a><a href="#top">t</a>', []),
        ('<a href="folder/">f</a><a href="/b.html">b</a>', []),
        ('<a href="https://example.org/">away</a>', []),
        ('<img src="data:image/png;base64,AA">', []),
        ('<a href="gone.html">b</a>', ["gone.html leads nowhere"]),
        ('<a href="b.html#gone">b</a>', ["b.html#gone: no such part"]),
        ('<a href="#gone">b</a>', ["#gone: no such part"]),
        ('<img src="gone.png">', ["gone.png leads nowhere"]),
        (
            '<script src="https://example.org/a.js"></script>',
            ["loads https://example.org/a.js"],
        ),
        ('<link rel="preconnect" href="//example.org">', ["loads //example.org"]),
        ('<iframe src="//example.org"></iframe>', ["loads //example.org"]),
    ],
)
def test_what_is_wrong_with_a_page_is_said(
    tmp_path: Path, body: str, said: list[str]
) -> None:
    read.cache_clear()
    (tmp_path / "folder").mkdir()
    for name in ("b.html", "folder/index.html"):
        (tmp_path / name).write_text('<p id="there">', "utf-8")
    (tmp_path / "a.css").write_text("p { background: url(b.png) }", "utf-8")
    page = tmp_path / "a.html"
    page.write_text(BUILT.format(body), "utf-8")
    assert [*faults(page, tmp_path)] == [f"a.html: {one}" for one in said]
    assert [*styles(tmp_path)] == []


@pytest.mark.parametrize(
    "style",
    ["@import 'https://example.org/a.css';", "p { background: url(//example.org/b) }"],
)
def test_what_a_style_sheet_fetches_is_said(tmp_path: Path, style: str) -> None:
    (tmp_path / "a.css").write_text(style, "utf-8")
    (told,) = styles(tmp_path)
    assert told.startswith("a.css: loads ")
    assert "example.org" in told
