"""Links of built pages: each leads somewhere, and nothing is loaded from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# What a browser fetches by itself, by element and attribute.
LOADED = {
    "script": "src",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "audio": "src",
    "embed": "src",
    "object": "data",
    "link": "href",
}
# Of a style sheet: what it fetches.
FETCHED = re.compile(r"""(?:url\(|@import)\s*["']?((?:https?:)?//[^"')\s]+)""")


class Page(HTMLParser):
    """What a page loads, links to, and can be linked at."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.ids: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        held = {name: value or "" for name, value in attrs}
        self.ids |= {held[name] for name in ("id", "name") if name in held}
        # The pages before and after are named, not loaded.
        named = {*held.get("rel", "").split()} & {"prev", "next"}
        if "href" in held and (tag == "a" or named):
            self.links.append(held["href"])
        elif LOADED.get(tag, "") in held:
            self.loads.append(held[LOADED[tag]])


@cache
def read(path: Path) -> Page:
    """Return a page taken apart."""
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def faults(path: Path, root: Path) -> Iterator[str]:
    """Yield what is wrong with a page of the site below ``root``."""
    page, shown = read(path), path.relative_to(root)
    for link in page.loads:
        if urlsplit(link).netloc:
            yield f"{shown}: loads {link}"
        elif not link.startswith("data:"):
            yield from (f"{shown}: {why}" for why in _dead(link, path, root))
    for link in page.links:
        if not urlsplit(link).scheme and not urlsplit(link).netloc:
            yield from (f"{shown}: {why}" for why in _dead(link, path, root))


def styles(root: Path) -> Iterator[str]:
    """Yield what style sheets fetch from elsewhere."""
    for path in sorted(root.rglob("*.css")):
        for found in FETCHED.findall(path.read_text(encoding="utf-8")):
            yield f"{path.relative_to(root)}: loads {found}"


def _dead(link: str, path: Path, root: Path) -> Iterator[str]:
    parts = urlsplit(link)
    target, anchor = unquote(parts.path), unquote(parts.fragment)
    where = (
        root / target.lstrip("/") if target.startswith("/") else path.parent / target
    )
    where = path if not target else where / "index.html" if where.is_dir() else where
    if not where.is_file():
        yield f"{link} leads nowhere"
    elif anchor and where.suffix == ".html" and anchor not in read(where).ids:
        yield f"{link}: no such part"
