"""docs/design.md names what is there: every path, every option, every command."""

from __future__ import annotations

import re
from pathlib import Path

import click

from support.rows import for_each
from vfio_doctor.cli import COMMANDS, cli

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
LAYOUT = TEXT.split("## 2. Layout\n\n```\n")[1].split("```")[0]
LINE = "## 6. Command line\n\n```\n"
USAGE = TEXT.split(LINE)[1].split("```")[0]
TOP = ("vfio_doctor", "checks", "fixes", "tests", "scripts", "docs", ".ci")
# A path of the machine is no path of ours.
PATH = re.compile(r"(?<![\w./<>])((?:[\w.<>-]+/)+[\w.<>-]*)")


def in_layout() -> list[str]:
    """Return the paths of the layout, those that are indented below their folder."""
    found, folder = [], ""
    for line in LAYOUT.splitlines():
        first = line.split("  ")[0] if not line.startswith(" ") else line.split()[0]
        if line.startswith("  "):
            found.append(f"{folder}{first}")
        else:
            folder = first if first.endswith("/") else ""
            found += line.split() if not folder and "  " in line[:15] else [first]
    return found


def in_text() -> list[str]:
    """Return what looks like a path below one of our folders, wherever it stands."""
    words = (found[1].rstrip(".") for found in PATH.finditer(TEXT))
    return sorted({word for word in words if word.partition("/")[0] in TOP})


@for_each("path", sorted({*in_layout(), *in_text()}))
def test_every_path_is_there(path: str) -> None:
    pattern = re.sub(r"<\w+>", "*", path.rstrip("/"))
    assert list(ROOT.glob(pattern)), f"docs/design.md: there is no {path}"


def test_the_layout_is_whole() -> None:
    named = {name.rstrip("/").partition(".")[0] for name in in_layout()}
    inside = (ROOT / "vfio_doctor").iterdir()
    rooms = {
        p.stem for p in inside if p.suffix == ".py" or (p / "__init__.py").exists()
    }
    assert {f"vfio_doctor/{room}" for room in rooms - {"__init__"}} <= named


@for_each("command", COMMANDS)
def test_every_command_is_named(command: str) -> None:
    assert re.search(rf"(?<![\w-]){command}(?![\w-])", USAGE)


def test_every_option_is_named() -> None:
    context = click.Context(cli, help_option_names=["-h", "--help"])
    options = {name for option in cli.get_params(context) for name in option.opts}
    assert options <= set(re.findall(r"(?<![\w-])--?[A-Za-z][a-z-]*", USAGE))
