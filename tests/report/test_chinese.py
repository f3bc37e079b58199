"""Whole reports and help pages in Chinese: goldens, widths, and bytes of JSON."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from support.click_runner import runner
from support.effort import on_hosts
from support.fixture_hosts import catalogue
from support.golden_rules import golden_registry
from support.reports import NAMES, of_fixture
from vfio_doctor.cli import cli
from vfio_doctor.diagnosis.plugins import BROKEN
from vfio_doctor.host.capture_io import load
from vfio_doctor.host.members import CaptureError
from vfio_doctor.language import CHINESE, choose, speak
from vfio_doctor.repair.values import Plan
from vfio_doctor.report import json, markdown, text
from vfio_doctor.report.plan import plan_lines
from vfio_doctor.report.style import Look
from vfio_doctor.report.table import table
from vfio_doctor.report.wrap import CLOSING, OPENING, columns, wrap

GOLDENS = Path(__file__).resolve().parent / "goldens_zh"
README = Path(__file__).resolve().parents[2] / "README.zh_CN.md"
PICTURE = "docs/zh_CN/report.svg"
SVG = "{http://www.w3.org/2000/svg}"
HAN = re.compile("[\u4e00-\u9fff]")
GLUED = re.compile("[\u4e00-\u9fff](?:: |[A-Za-z])|[A-Za-z][\u4e00-\u9fff]")
HOSTS = ("bluefin-dx-2121", "debian12-grub-unprivileged")
PROSE = (
    "请在所有虚拟机关闭时运行 `sudo modprobe -r kvmfr` 和 `sudo modprobe kvmfr`，"
    "然后（仅在需要时）查看“内核日志”；否则请更改 /etc/modprobe.d/kvmfr.conf 中的大小。"
)


@pytest.fixture(autouse=True)
def chinese() -> Iterator[None]:
    assert choose(["--language", CHINESE], {}, None) == ""
    yield
    speak(None)


def rendered(name: str, kind: str) -> str:
    if kind == "help":
        return helped(name.split())
    report = of_fixture(name, golden_registry())
    if kind == "md":
        return markdown.render(report)
    if kind == "plain":
        return text.render(report, Look())
    if kind == "narrow":
        return text.render(report, Look(width=40))
    return text.render(report, Look(verbosity=1))


def helped(words: list[str]) -> str:
    """A page as it is printed: in this process click has made its help option."""
    done = subprocess.run(
        [sys.executable, "-m", "vfio_doctor", *words],
        env={**os.environ, "COLUMNS": "80", "LANGUAGE": CHINESE, "LC_ALL": "C.UTF-8"},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    return done.stdout


CASES = [(name, kind) for name in HOSTS for kind in ("txt", "narrow")]
CASES += [("bluefin-dx-2121", "md"), ("bluefin-dx-2121", "plain")]
CASES += [("--help", "help"), ("setup --help", "help")]


@pytest.mark.runs("python")
@pytest.mark.parametrize(("name", "kind"), CASES, ids=map(".".join, CASES))
def test_it_is_the_golden(name: str, kind: str, request: pytest.FixtureRequest) -> None:
    path = GOLDENS / f"{name.replace(' --', '-').strip('-')}.{kind}"
    made = rendered(name, kind)
    if request.config.getoption("--rewrite-goldens"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(made, encoding="utf-8")
    assert path.is_file(), f"{path.name} is missing: run pytest --rewrite-goldens"
    assert made == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", HOSTS)
@pytest.mark.parametrize(("kind", "width"), [("txt", 80), ("narrow", 40)])
def test_lines_fit_unless_they_hold_what_is_copied(
    name: str, kind: str, width: int
) -> None:
    for line in rendered(name, kind).splitlines():
        whole = len(line.split()) == 1 or "`" in line
        assert columns(line) <= width or whole, line


@pytest.mark.parametrize("name", HOSTS)
def test_json_is_the_same_in_every_language(name: str) -> None:
    spoken = json.render(of_fixture(name))
    speak(None)
    assert json.render(of_fixture(name)) == spoken


@pytest.mark.parametrize("width", range(6, 90, 4))
def test_chinese_is_broken_between_signs(width: int) -> None:
    lines = wrap(PROSE, width)
    assert "".join(lines).replace(" ", "") == PROSE.replace(" ", "")
    for line in lines:
        assert columns(line) <= width or "`" in line or line.isascii()
        assert line[0] not in CLOSING - {"."}
        assert line[-1] not in OPENING


def test_columns_of_tables_stand_below_each_other() -> None:
    rows = [("属主", "root 与 alice"), ("owner", "坐在屏幕前的人")]
    lines = table(("位置", "实际看到的内容"), rows, 80)
    assert lines == [
        "位置    实际看到的内容",
        "------  ----------------",
        "属主    root 与 alice",
        "owner   坐在屏幕前的人",
    ]


def test_the_readme_shows_the_report_as_a_picture() -> None:
    """scripts/documents draws it; its lines are those of the golden report."""
    assert f"]({PICTURE})" in README.read_text(encoding="utf-8")
    drawn = ElementTree.parse(README.parent / PICTURE).getroot()
    said = ["".join(line.itertext()) for line in drawn.iter(f"{SVG}text")]
    golden = rendered("bluefin-dx-2121", "plain").splitlines()
    assert [line for line in said if line not in golden and "[" not in line[:1]] == []
    assert len([line for line in said if line in golden]) == len(said) - 1 > 15


def test_why_a_capture_is_refused_is_said_in_chinese(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="\u8bf7\u7ed9\u51fa") as caught:
        load(str(tmp_path / "gone.host"))
    assert str(caught.value).startswith(f"{tmp_path}/gone.host\uff1a")


def test_a_broken_plug_in_is_named_in_chinese_and_in_json_in_english() -> None:
    told = BROKEN.filled(name="mine", source="mine 1", why="ImportError: x")
    report = of_fixture("bluefin-dx-2121", golden_registry())
    report = report._replace(tool=report.tool._replace(problems=(told,)))
    assert "mine 1 \u7684\u63d2\u4ef6 mine" in text.render(report, Look())
    assert '"plug-in mine of mine 1: ImportError: x"' in json.render(report)


@pytest.mark.parametrize("name", on_hosts(NAMES))
def test_latin_words_stand_apart_and_colons_are_wide(name: str) -> None:
    report = of_fixture(name)
    lines = text.render(report, Look(width=1 << 20)).splitlines()
    lines += plan_lines(Plan(()), report)
    for result in {one.status: one for one in report.checks}.values():
        one = report._replace(checks=(result,))
        lines += text.render_one(one, Look(width=1 << 20)).splitlines()
    assert len("".join(HAN.findall("".join(lines)))) > 40
    assert [line for line in lines if GLUED.search(line)] == []


def test_a_capture_is_rendered_again_in_another_language() -> None:
    host = str(catalogue.path("bluefin-dx-2121"))
    told = runner().invoke(cli, ["--capture", host]).stdout
    assert "内核没有使用 IOMMU" in told
    assert "The kernel does not use" not in told
