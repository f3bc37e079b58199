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
SET_UP = ROOT / "docs/setup.md"


def shown(page: str, report: str, mark: str = SESSION) -> str:
    """Return the page with that session in the place of the one it shows."""
    block = "".join(f"    {line}".rstrip() + "\n" for line in report.splitlines())
    # The indented block behind the mark, with the blank lines in it.
    old = re.compile(rf"(?<={re.escape(mark)}\n\n)(?: {{4}}.*\n|\n(?= {{4}}))+")
    return old.sub(lambda _: block, page)


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
    wanted = shown(SET_UP.read_text(encoding="utf-8"), session(), SESSION)
    if request.config.getoption("--rewrite-goldens"):
        SET_UP.write_text(wanted, encoding="utf-8")
    assert wanted == SET_UP.read_text(encoding="utf-8"), "run pytest --rewrite-goldens"
    assert "Which one" in wanted.partition(SESSION)[2]


def test_the_block_is_replaced_whole() -> None:
    page = f"a\n\n{SESSION}\n\n    x\n\n    y\n\nb\n"
    assert shown(page, "z\n") == f"a\n\n{SESSION}\n\n    z\n\nb\n"


def test_the_two_commands_are_there_and_can_be_run() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in ("scripts/run", "scripts/test"):
        assert f"    {name} " in readme
        assert (ROOT / name).stat().st_mode & 0o111


def test_the_first_screen_says_what_is_never_done_and_how_to_get_back() -> None:
    """Before the picture: what to run, what is safe, and the way back."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    first = readme.partition("![")[0]
    assert len(first.splitlines()) < 40
    for held in ("scripts/run", "--fix --dry-run", " undo", "never", "stays black"):
        assert held in first


def test_the_way_back_is_that_of_the_plans() -> None:
    """An image-based host goes back by its own command, all others by undo."""
    from vfio_doctor.boot.bootc import Bootc
    from vfio_doctor.boot.rpm_ostree import RpmOstree

    for name in ("README.md", "README.zh_CN.md"):
        readme = (ROOT / name).read_text(encoding="utf-8")
        for tool in (RpmOstree, Bootc):
            assert f"`sudo {tool.rollback}`" in readme
        assert "chroot /mnt" in readme
