from __future__ import annotations

import re
from pathlib import Path

import pytest

from support.session import session

ROOT = Path(__file__).resolve().parents[2]
SESSION = "<!-- tests/support/session.py -->"
MARK = "<!-- tests/report/goldens/bluefin-dx-2121.txt -->"


def shown(readme: str, report: str, mark: str = MARK) -> str:
    """Return the README with that report in the place of the one it shows."""
    block = "".join(f"    {line}".rstrip() + "\n" for line in report.splitlines())
    # The indented block behind the mark, with the blank lines in it.
    old = re.compile(rf"(?<={re.escape(mark)}\n\n)(?: {{4}}.*\n|\n(?= {{4}}))+")
    return old.sub(lambda _: block, readme)


def test_the_report_shown_is_a_real_one(request: pytest.FixtureRequest) -> None:
    golden = ROOT / MARK.removeprefix("<!-- ").removesuffix(" -->")
    path = ROOT / "README.md"
    text = path.read_text(encoding="utf-8")
    wanted = shown(text, golden.read_text(encoding="utf-8"))
    if request.config.getoption("--rewrite-goldens"):
        path.write_text(wanted, encoding="utf-8")
    assert wanted == path.read_text(encoding="utf-8"), "run pytest --rewrite-goldens"
    assert "looked at this host" in wanted.partition(MARK)[2][:80]


@pytest.mark.runs("python", "sh")
def test_the_set_up_shown_is_a_real_one(request: pytest.FixtureRequest) -> None:
    path = ROOT / "README.md"
    wanted = shown(path.read_text(encoding="utf-8"), session(), SESSION)
    if request.config.getoption("--rewrite-goldens"):
        path.write_text(wanted, encoding="utf-8")
    assert wanted == path.read_text(encoding="utf-8"), "run pytest --rewrite-goldens"
    assert "Which one" in wanted.partition(SESSION)[2]


def test_the_block_is_replaced_whole() -> None:
    readme = f"a\n\n{MARK}\n\n    x\n\n    y\n\nb\n"
    assert shown(readme, "z\n") == f"a\n\n{MARK}\n\n    z\n\nb\n"


def test_the_two_commands_are_there_and_can_be_run() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in ("scripts/run", "scripts/test"):
        assert f"    {name} " in readme
        assert (ROOT / name).stat().st_mode & 0o111
