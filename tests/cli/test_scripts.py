"""scripts/run, as a person starts it: from anywhere, with what is there."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("scripts", "vfio_doctor", "checks", "fixes")
pytestmark = pytest.mark.runs("run", "sh", "vfio-doctor")
VERSION = "vfio-doctor "


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout without .venv; tests that change it take a copy."""
    folder = tmp_path_factory.mktemp("checkout") / "a checkout"
    waste = shutil.ignore_patterns("__pycache__")
    for part in PARTS:
        shutil.copytree(ROOT / part, folder / part, symlinks=True, ignore=waste)
    shutil.copy(ROOT / "setup.cfg", folder)
    return folder


def python(folder: Path, *options: str) -> Path:
    """A folder with a `python3` that is the one of this test."""
    folder.mkdir(exist_ok=True)
    path = folder / "python3"
    path.write_text(f'#!/bin/sh\nexec {sys.executable} {" ".join(options)} "$@"\n')
    path.chmod(0o755)
    return folder


def started(
    script: Path, tools: Path, *words: str, cwd: Path = ROOT, **environ: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(script), *words],
        cwd=cwd,
        env={"PATH": f"{tools}:/usr/bin:/bin", "HOME": str(tools), **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


@pytest.mark.slow
def test_the_packages_of_the_system_serve(whole: Path, tmp_path: Path) -> None:
    tools = python(tmp_path / "bin")
    done = started(whole / "scripts/run", tools, "--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(VERSION)
    assert not (whole / ".venv").exists()


@pytest.mark.slow
def test_it_may_be_a_link(whole: Path, tmp_path: Path) -> None:
    link = tmp_path / "vfio-doctor"
    link.symlink_to(whole / "scripts/run")
    done = started(link, python(tmp_path / "bin"), "checks", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "iommu-off" in done.stdout


def test_nothing_comes_from_the_current_folder(whole: Path, tmp_path: Path) -> None:
    for name in ("click", "json", "runpy", "sitecustomize", "vfio_doctor"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('not ours')\n")
    done = started(
        whole / "scripts/run",
        python(tmp_path / "bin"),
        *("checks", "--format", "json"),
        cwd=tmp_path,
        PYTHONPATH=str(tmp_path),
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_checkout_without_its_links(whole: Path, tmp_path: Path) -> None:
    broken = tmp_path / "zip"
    shutil.copytree(whole, broken, symlinks=True)
    (broken / "vfio_doctor/checks").unlink()
    (broken / "vfio_doctor/checks").write_text("../checks")
    done = started(broken / "scripts/run", python(tmp_path / "bin"))
    assert done.returncode == 2
    assert done.stderr.startswith("This checkout is not whole: ")
    command = done.stderr.splitlines()[-1].partition(":  ")[2]
    subprocess.run(["sh", "-c", command], check=True)
    assert (broken / "vfio_doctor/checks/__init__.py").is_file()


@pytest.mark.slow
def test_packages_that_have_nowhere_to_go(whole: Path, tmp_path: Path) -> None:
    # -S: a Python without any package. Not even root makes a folder in /proc.
    tools = python(tmp_path / "bin", "-S")
    place = "/proc/vfio-doctor"
    done = started(whole / "scripts/run", tools, VFIO_DOCTOR_VENV=place)
    assert done.returncode == 2
    assert f"cannot be put into {place}" in done.stderr
    assert "VFIO_DOCTOR_VENV=" in done.stderr


@pytest.mark.slow
def test_packages_that_are_too_old(whole: Path, tmp_path: Path) -> None:
    newer = tmp_path / "newer"
    shutil.copytree(whole, newer, symlinks=True)
    settings = (newer / "setup.cfg").read_text().replace("click>=8.1", "click>=99")
    (newer / "setup.cfg").write_text(settings)
    (newer / ".venv").write_text("in the way")
    done = started(newer / "scripts/run", python(tmp_path / "bin"), "--version")
    assert done.returncode == 2
    assert f"cannot be put into {newer}/.venv" in done.stderr


def test_no_python_is_new_enough(whole: Path, tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("sh", "dirname", "readlink", "cat"):
        (tools / name).symlink_to(f"/bin/{name}")
    done = subprocess.run(
        [str(tools / "sh"), str(whole / "scripts/run")],
        env={"PATH": str(tools)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("Python 3.11 or newer is needed.")


@pytest.mark.slow
@pytest.mark.runs("documents")
def test_a_script_for_developers_finds_the_python_of_the_checkout(
    tmp_path: Path,
) -> None:
    bare, venv = python(tmp_path / "bin", "-S"), tmp_path / "venv"
    venv.mkdir()
    python(venv / "bin").joinpath("python3").rename(venv / "bin" / "python")
    (venv / ".python").write_text("{}.{}\n".format(*sys.version_info))
    shutil.copy(ROOT / "setup.cfg", venv / ".installed")
    script = ROOT / "scripts" / "documents"
    done = started(script, bare, "--check", VFIO_DOCTOR_VENV=str(venv))
    assert (done.returncode, done.stderr) == (0, "")
    assert "up to date" in done.stdout
