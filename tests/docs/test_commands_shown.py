"""Every vfio-doctor command that a page prints is one that the program takes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from support.command_line import parsed
from vfio_doctor.app.chosen import PROGRAM

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *ROOT.glob("*.md"),
    *(p for p in (ROOT / "docs").rglob("*.md") if p.parent.name != "rules"),
    *(ROOT / "packaging").rglob("*.md"),
]
# What stands before the program: other programs, and what it is fed.
BEFORE = re.compile(r"^\$? ?(?:sudo |cd \S+ && |[^|`]+ \| )*vfio-doctor(?= |$)")
# Words that stand for one of the reader's.
STANDS_FOR = {"ID": "iommu-off", "NAME": "alice", "SHELL": "bash"}
# A two-column list: the command, then what it does.
COLUMN = re.compile(r"\s{2,}")
ENDS = re.compile(r"\s(?:[|>&;#]|\|\|).*$")


def shown(page: str) -> Iterator[tuple[str, bool]]:
    """Yield the commands of a page, and whether they are whole lines of code."""
    fenced = False
    for line in page.splitlines():
        if line.startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            if BEFORE.match(line.strip()):
                yield line.strip(), True
        else:
            for inline in re.findall(r"`([^`\n]+)`", line):
                if BEFORE.match(inline):
                    yield inline, False


def words_of(command: str) -> tuple[str, ...]:
    """Return the words after the program's name, up to a pipe or a remark."""
    rest = ENDS.sub("", BEFORE.sub("", command, count=1))
    held = shlex.split(COLUMN.split(rest)[0])
    return tuple(STANDS_FOR.get(word, word) for word in held)


def is_usage(command: str) -> bool:
    """Tell whether it shows how commands are made, a report's head, or is prose."""
    prose = re.match(r"vfio-doctor [^\x00-\x7f]", command)
    shape = r"\[[A-Za-z-]|\.\.\.|…|\w\|\w| · |doctor \d"
    return bool(prose or re.search(shape, command))


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_commands_can_be_given(page: Path) -> None:
    wrong = []
    for command, whole in shown(page.read_text(encoding="utf-8")):
        if is_usage(command):
            continue
        try:
            parsed(words_of(command))
        except (click.MissingParameter, click.BadOptionUsage):
            # In prose a command may be named without what it takes.
            if whole:
                wrong.append(command)
        except click.UsageError as error:
            wrong.append(f"{command}: {error.format_message()}")
        except click.exceptions.Exit:
            # It prints help, or the version.
            continue
    assert wrong == []


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("    sudo vfio-doctor --fix    # repair", ("--fix",)),
        ("see `vfio-doctor explain iommu-off`.", ("explain", "iommu-off")),
        ("    $ sudo vfio-doctor undo", ("undo",)),
        ("    virsh dumpxml a | vfio-doctor vm -", ("vm", "-")),
        ("    vfio-doctor setup passthrough > a.nix", ("setup", "passthrough")),
        ("    vfio-doctor explain ID       a rule's page", ("explain", "iommu-off")),
    ],
)
def test_commands_are_found(line: str, words: tuple[str, ...]) -> None:
    assert [words_of(command) for command, _ in shown(line)] == [words]


def test_a_command_that_is_none_is_found() -> None:
    ((command, _),) = shown(f"    {PROGRAM} no-such-command")
    with pytest.raises(click.UsageError):
        parsed(words_of(command))


def test_every_guide_says_how_to_get_it_look_set_up_and_go_back() -> None:
    for folder in ("docs/guides", "docs/zh_CN/guides"):
        guides = sorted((ROOT / folder).glob("*.md"))
        assert len(guides) == 6
        for guide in guides:
            given = {words_of(c) for c, _ in shown(guide.read_text(encoding="utf-8"))}
            assert () in given, guide
            assert any(words[:2] == ("setup", "passthrough") for words in given)
            if guide.stem != "nixos":
                assert {("undo",), ("verify",)} <= given, guide
