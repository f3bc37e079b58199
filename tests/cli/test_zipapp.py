"""One file that any Python runs: it judges as the checkout does."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from support.fixture_hosts import catalogue

ROOT = Path(__file__).resolve().parents[2]
HOST = str(catalogue.path("bluefin-dx-2121"))
pytestmark = pytest.mark.runs("python")


def made(target: Path) -> Path:
    script = str(ROOT / "scripts/zipapp")
    subprocess.run([sys.executable, script, str(target)], check=True)
    return target


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("zip") / "vfio-doctor.pyz")


def run(*program: str, words: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    """Run without the packages of the environment that the tests run in."""
    return subprocess.run(
        [sys.executable, "-I", "-S", *program, *words], capture_output=True, text=True
    )


@pytest.mark.slow
def test_the_same_checkout_gives_the_same_bytes(file: Path, tmp_path: Path) -> None:
    assert made(tmp_path / "again.pyz").read_bytes() == file.read_bytes()


@pytest.mark.slow
def test_it_judges_as_the_checkout_does(file: Path) -> None:
    words = ("--capture", HOST, "--format", "json")
    packed = run(str(file), words=words)
    program = [sys.executable, "-m", "vfio_doctor", *words]
    plain = subprocess.run(program, cwd=ROOT, capture_output=True, text=True)
    assert packed.returncode == plain.returncode == 1, packed.stderr
    assert json.loads(packed.stdout)["checks"] == json.loads(plain.stdout)["checks"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ("--version",),
        pytest.param(("checks",), marks=pytest.mark.slow),
        pytest.param(("explain", "iommu-off"), marks=pytest.mark.slow),
        pytest.param(
            ("--capture", HOST, "bug-report", "--print"), marks=pytest.mark.slow
        ),
        ("--capture", HOST, "--fix", "--dry-run"),
        pytest.param(("triage", HOST), marks=pytest.mark.slow),
    ],
    ids=lambda words: words[-1].rpartition("/")[2],
)
def test_every_command_finds_what_it_needs(file: Path, words: tuple[str, ...]) -> None:
    done = run(str(file), words=words)
    assert done.returncode in (0, 1), done.stderr
    assert "error" not in done.stderr


def test_it_carries_the_licences(file: Path) -> None:
    names = zipfile.ZipFile(file).namelist()
    assert "LICENSE" in names
    for package in ("click", "pyudev", "tabulate"):
        of_it = [n for n in names if n.startswith(f"{package}-")]
        assert any(Path(n).name.startswith(("LICENSE", "COPYING")) for n in of_it)


@pytest.mark.slow
def test_it_speaks_chinese_from_the_archive(file: Path) -> None:
    done = run(str(file), words=("--capture", HOST, "--language", "zh_CN"))
    assert "\u5185\u6838\u6ca1\u6709\u4f7f\u7528 IOMMU" in done.stdout
    names = zipfile.ZipFile(file).namelist()
    assert [name for name in names if "locale" in name] == [
        "vfio_doctor/locale/zh_CN/LC_MESSAGES/vfio-doctor.mo"
    ]
