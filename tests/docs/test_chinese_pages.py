"""A page that was translated by hand is as new as the English one.

What no translator touches is held against it: headings by their level, rows of
tables, commands and code, words between backticks, and where links lead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from posixpath import normpath

import pytest

from support.rows import for_each

DOCS = Path(__file__).resolve().parents[2] / "docs"
CHINESE = DOCS / "zh_CN"
# What is made from the code is held by scripts/documents; the glossary has no other.
MADE = ("cli.md", "vm-lints.md", "terms.md")
# These are shorter than in English.
TOLD_ANEW = ("index.md", "guides/")
PAGES = sorted(
    str(path.relative_to(CHINESE))
    for path in CHINESE.rglob("*.md")
    if not str(path.relative_to(CHINESE)).startswith((*MADE, *TOLD_ANEW))
)
FENCED = re.compile(r"^```\w*\n.*?^```$", re.M | re.S)
INDENTED = re.compile(r"^ {4}(?! *- ).*$", re.M)
# What is said of a command, behind it.
REMARK = re.compile(r"\s+#.*$|\s{2,}.*$")
LINK = re.compile(r"\]\(([^)#\s]+)")
SESSION = "<!-- tests/support/session.py"


def parts(name: str, text: str, folder: str) -> Iterator[tuple[str, object]]:
    """Yield what has to be the same in both languages."""
    prose = INDENTED.sub("", FENCED.sub("", text))
    yield "headings", [len(mark) for mark in re.findall(r"^(#+) ", prose, re.M)]
    yield "rows", prose.count("\n| ")
    yield "items", len(re.findall(r"^ {0,2}- ", prose, re.M))
    yield "code", sorted(set(re.findall(r"`([^`]+)`", prose.replace("\n", " "))))
    linked = (normpath(f"{folder}/{target}") for target in LINK.findall(prose))
    yield "links", sorted(one.removeprefix("zh_CN/") for one in linked)
    yield "commands", [*commands(text)]


def commands(text: str) -> Iterator[str]:
    """Yield lines of code without what is said of them; of a session, none."""
    for block in FENCED.findall(text):
        yield block.partition("\n")[0]
        if not block.startswith("```text"):
            yield from map(bare, block.splitlines()[1:])
    if SESSION not in text:
        yield from map(bare, INDENTED.findall(FENCED.sub("", text)))


def bare(line: str) -> str:
    """Return a line of code without the remark behind it."""
    return REMARK.sub("", line.strip())


def differences(chinese: str, english: str) -> list[str]:
    """Return what of a page is not as it is in English."""
    ours = dict(parts("zh_CN", chinese, "zh_CN"))
    theirs = dict(parts("en", english, "."))
    return [f"{k}: {v} is not {theirs[k]}" for k, v in ours.items() if v != theirs[k]]


@for_each("name", PAGES)
def test_a_translation_is_as_new_as_its_page(name: str) -> None:
    chinese = (CHINESE / name).read_text(encoding="utf-8")
    english = (DOCS / name).read_text(encoding="utf-8")
    assert differences(chinese, english) == []


def test_the_pages_of_reference_are_there() -> None:
    wanted = {"vm.md", "json.md", "plugins.md", "repair.md", "bug-report.md"}
    assert wanted <= {*PAGES}


@pytest.mark.parametrize(
    ("english", "said"),
    [
        ("# A\n\nSay `ls`.\n", []),
        ("# A\n\n## B\n\nSay `ls`.\n", ["headings"]),
        ("# A\n\nSay `ls -l`.\n", ["code"]),
        ("# A\n\nSay `ls`.\n\n    ls /\n", ["commands"]),
        ("# A\n\nSay `ls`. [b](b.md)\n", ["links"]),
        ("# A\n\nSay `ls`.\n\n| a |\n", ["rows"]),
    ],
)
def test_what_is_older_is_said(english: str, said: list[str]) -> None:
    found = differences("# \u7532\n\n\u8bf7\u8fd0\u884c `ls`\u3002\n", english)
    assert [one.partition(":")[0] for one in found] == said
