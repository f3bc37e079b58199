from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from support.session import session

ROOT = Path(__file__).resolve().parents[2]
SESSION = "<!-- tests/support/session.py -->"
SVG = "{http://www.w3.org/2000/svg}"
PICTURE = "docs/report.svg"


def shown(readme: str, report: str, mark: str = SESSION) -> str:
    """Return the README with that report in the place of the one it shows."""
    block = "".join(f"    {line}".rstrip() + "\n" for line in report.splitlines())
    # The indented block behind the mark, with the blank lines in it.
    old = re.compile(rf"(?<={re.escape(mark)}\n\n)(?: {{4}}.*\n|\n(?= {{4}}))+")
    return old.sub(lambda _: block, readme)


def test_the_report_shown_is_a_real_one() -> None:
    """scripts/documents draws it, and its --check holds that it is no older."""
    assert f"]({PICTURE})" in (ROOT / "README.md").read_text(encoding="utf-8")
    drawn = ElementTree.parse(ROOT / PICTURE).getroot()
    said = "\n".join("".join(line.itertext()) for line in drawn.iter(f"{SVG}text"))
    golden = ROOT / "tests/report/goldens/bluefin-dx-2121.txt"
    errors = re.findall("^ERROR .*$", golden.read_text(encoding="utf-8"), re.MULTILINE)
    assert errors
    assert all(error in said for error in errors)


@pytest.mark.runs("python", "sh")
def test_the_set_up_shown_is_a_real_one(request: pytest.FixtureRequest) -> None:
    path = ROOT / "README.md"
    wanted = shown(path.read_text(encoding="utf-8"), session(), SESSION)
    if request.config.getoption("--rewrite-goldens"):
        path.write_text(wanted, encoding="utf-8")
    assert wanted == path.read_text(encoding="utf-8"), "run pytest --rewrite-goldens"
    assert "Which one" in wanted.partition(SESSION)[2]


def test_the_block_is_replaced_whole() -> None:
    readme = f"a\n\n{SESSION}\n\n    x\n\n    y\n\nb\n"
    assert shown(readme, "z\n") == f"a\n\n{SESSION}\n\n    z\n\nb\n"


def test_the_two_commands_are_there_and_can_be_run() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in ("scripts/run", "scripts/test"):
        assert f"    {name} " in readme
        assert (ROOT / name).stat().st_mode & 0o111
