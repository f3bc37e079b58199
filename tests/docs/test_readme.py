from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from support.at_terminal import REPAIR, SETUP
from support.session import session
from vfio_doctor.docs.picture import LINE
from vfio_doctor.language import CHINESE, ENGLISH

ROOT = Path(__file__).resolve().parents[2]
SESSION = "<!-- tests/support/session.py setup -->"
TEXT = "{http://www.w3.org/2000/svg}text"
PICTURE = "docs/report.svg"
# Page: the session that it shows.
SESSIONS = {
    "docs/setup.md": (SETUP, ENGLISH),
    "docs/zh_CN/setup.md": (SETUP, CHINESE),
    "docs/repair.md": (REPAIR, ENGLISH),
    "docs/zh_CN/repair.md": (REPAIR, CHINESE),
}


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
    rows = {
        int(line.attrib["y"]): "".join(line.itertext()) for line in drawn.iter(TEXT)
    }
    said = "\n".join(rows.get(y, "") for y in range(min(rows), max(rows) + 1, LINE))
    golden = (ROOT / "tests/report/goldens/bluefin-dx-2121.txt").read_text("utf-8")
    start, _, end = said.partition("[...]")
    assert golden.startswith(start.rstrip())
    assert golden.endswith(end.partition("[...]")[2].strip() + "\n")
    assert "ERROR" in start
    assert "bug-report" in end
    # One screen.
    assert len(said.splitlines()) < 36


@pytest.mark.slow
@pytest.mark.runs("python", "sh")
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if "zh_CN" in name else [])
        for name in SESSIONS
    ],
)
def test_the_session_shown_is_a_real_one(
    name: str, request: pytest.FixtureRequest
) -> None:
    what, language = SESSIONS[name]
    words = what if language == ENGLISH else f"{what} {language}"
    mark = f"<!-- tests/support/session.py {words} -->"
    page = ROOT / name
    wanted = shown(page.read_text(encoding="utf-8"), session(what, language), mark)
    if request.config.getoption("--rewrite-goldens"):
        page.write_text(wanted, encoding="utf-8")
    assert wanted == page.read_text(encoding="utf-8"), "run pytest --rewrite-goldens"
    assert "    $ sudo vfio-doctor" in wanted.partition(mark)[2]


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
