"""Code that is not ours: plug-ins, modules of the current folder, bytecode."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from support.effort import mostly_slow
from support.fixture_hosts import catalogue

ROOT = Path(__file__).resolve().parents[2]
ALICE = 4242
RULE = """
from vfio_doctor.api import Check, Severity

class Ours(Check):
    id = "plug-in-rule"
    title = "A rule of a plug-in"
    severity = Severity.INFO

    def judge(self, facts):
        return []
"""
HOST = str(catalogue.path("bluefin-dx-2121"))
# In the background of a shell SIGINT is ignored, and Python leaves it so.
HEARD = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from vfio_doctor.__main__ import main
main()
"""
pytestmark = pytest.mark.runs("python")
only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


@pytest.fixture
def site() -> Iterator[Path]:
    """The site folder of a Python of its own, which sees our packages."""
    home = Path(tempfile.mkdtemp(prefix="plug-in-"))
    home.chmod(0o755)
    venv.create(home, symlinks=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    folder = home / "lib" / version / "site-packages"
    ours = [sysconfig.get_path("purelib"), str(ROOT)]
    (folder / "ours.pth").write_text("\n".join(ours) + "\n", encoding="utf-8")
    yield folder
    shutil.rmtree(home)


def install(folder: Path, code: str, name: str = "sample") -> None:
    (folder / f"vfio_{name}.py").write_text(code, encoding="utf-8")
    info = folder / f"{name}-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Name: {name}\nVersion: 1\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(
        f"[vfio_doctor.checks]\n{name} = vfio_{name}\n", encoding="utf-8"
    )


def run(site: Path, *words: str, **environment: str) -> dict[str, object]:
    """Return what a report says of the program."""
    tool: dict[str, object] = document(site, *words, **environment)["tool"]
    return tool


def document(site: Path, *words: str, **environment: str) -> dict[str, Any]:
    python = site.parents[2] / "bin" / "python"
    host = str(catalogue.path("bluefin-dx-2121"))
    done = subprocess.run(
        [python, "-m", "vfio_doctor", "--capture", host, "--format", "json", *words],
        capture_output=True,
        text=True,
        cwd=environment.pop("cwd", "/"),
        env={**os.environ, **environment},
    )
    assert done.stderr == ""
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def test_a_plug_in_is_named_in_the_report(site: Path) -> None:
    install(site, RULE)
    assert run(site)["plugins"] == ["sample 1"]


def test_a_broken_plug_in_is_named_and_stops_nothing(site: Path) -> None:
    install(site, "raise RuntimeError('\\x1b[31mboom')")
    tool = run(site)
    assert tool["plugins"] == []
    assert tool["problems"] == [
        "plug-in sample of sample 1: RuntimeError: \x1b[31mboom"
    ]


def test_a_plug_in_that_ends_the_program_ends_no_diagnosis(site: Path) -> None:
    install(site, "raise SystemExit(7)")
    assert run(site)["problems"] == ["plug-in sample of sample 1: SystemExit: 7"]


@pytest.mark.slow
@pytest.mark.parametrize("words", [("--capture", HOST), ("checks",)])
def test_a_plug_in_that_waits_is_named_when_it_is_stopped(
    site: Path, words: tuple[str, ...]
) -> None:
    # As if the person pressed Ctrl-C in the middle of it.
    stop = "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\n"
    install(site, stop + "time.sleep(600)\n")
    done = subprocess.run(
        [site.parents[2] / "bin" / "python", "-c", HEARD, *words],
        capture_output=True,
        text=True,
        cwd="/",
    )
    assert done.returncode == 130
    told = "Interrupted while plug-in sample of sample 1 was imported."
    assert done.stderr.strip() == told


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"\xff\xfe\n[vfio_doctor.checks]\nx = y\n", "UnicodeDecodeError"),
        (b"[vfio_doctor.checks]\nx\n", ""),
    ],
)
def test_a_damaged_list_of_plug_ins_is_named(
    site: Path, content: bytes, problem: str
) -> None:
    install(site, RULE)
    (site / "sample-1.dist-info" / "entry_points.txt").write_bytes(content)
    install(site, RULE, "good")
    tool = run(site)
    assert tool["plugins"] == ["good 1"]
    [said] = cast("list[str]", tool["problems"])
    assert said.startswith(f"plug-in entry_points.txt of sample 1: {problem}")


def test_a_list_that_is_a_fifo_is_not_waited_for(site: Path) -> None:
    install(site, RULE)
    info = site / "other-1.dist-info"
    info.mkdir()
    os.mkfifo(info / "entry_points.txt")
    assert run(site)["plugins"] == ["sample 1"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "lacking"),
    [
        ("    severity = Severity.INFO\n", "severity of type Severity"),
        ('    title = "A rule of a plug-in"\n', "title of type str"),
        ("    def judge(self, facts):\n        return []\n", "judge()"),
    ],
)
def test_a_class_that_is_no_rule_is_named(site: Path, line: str, lacking: str) -> None:
    assert line in RULE
    install(site, RULE.replace(line, ""))
    tool = run(site)
    assert tool["plugins"] == []
    assert tool["problems"] == [f"plug-in vfio_sample: class Ours has no {lacking}"]


@pytest.mark.slow
def test_triage_names_the_plug_ins_that_took_part(site: Path) -> None:
    install(site, RULE)
    install(site, RULE.replace("severity", "weight"), "broken")
    host = str(catalogue.path("bluefin-dx-2121"))
    words = [
        str(site.parents[2] / "bin" / "python"),
        "-m",
        "vfio_doctor",
        "triage",
        host,
    ]
    done = subprocess.run(words, capture_output=True, text=True, cwd="/")
    assert "Rules of plug-ins took part: sample 1.\n" in done.stdout
    assert "vfio_broken: class Ours has no severity of type Severity" in done.stdout
    told = subprocess.run(
        [*words, "--format", "jsonl"], capture_output=True, text=True, cwd="/"
    )
    assert json.loads(told.stdout)["plugins"] == ["sample 1"]


@pytest.mark.slow
@pytest.mark.parametrize("way", ["cwd", "PYTHONPATH"])
def test_only_site_folders_give_plug_ins(site: Path, tmp_path: Path, way: str) -> None:
    install(tmp_path, "raise SystemExit('not ours')")
    assert run(site, **{way: str(tmp_path)}) == run(site)


def test_no_module_takes_a_plug_ins_place(site: Path, tmp_path: Path) -> None:
    install(site, RULE)
    (tmp_path / "vfio_sample.py").write_text("raise SystemExit('not ours')")
    assert run(site, PYTHONPATH=str(tmp_path))["plugins"] == ["sample 1"]


HOSTILE = "import os\nopen(os.path.join(os.path.dirname(__file__), 'ran'), 'w')\n"


@only_root
@pytest.mark.parametrize(
    "name", mostly_slow(["click", "pyudev", "tabulate", "json", "colorama"], 5)
)
@pytest.mark.parametrize("words", [("--capture", HOST), ("--help",), ("devices",)])
def test_root_imports_nothing_that_pythonpath_names(
    site: Path, tmp_path: Path, name: str, words: tuple[str, ...]
) -> None:
    (tmp_path / f"{name}.py").write_text(HOSTILE)
    # As pip writes it; what the interpreter itself imports first is not ours.
    console = "import sys; from vfio_doctor.__main__ import main; sys.exit(main())"
    python = str(site.parents[2] / "bin" / "python")
    paths = f"{tmp_path}{os.pathsep}{sysconfig.get_path('stdlib')}"
    done = subprocess.run(
        [python, "-c", console, *words],
        capture_output=True,
        text=True,
        cwd="/",
        env={**os.environ, "PYTHONPATH": paths},
    )
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "ran").exists()


@only_root
@pytest.mark.parametrize("given", ["folder", "file"])
def test_root_imports_nothing_that_others_can_write(site: Path, given: str) -> None:
    install(site, RULE)
    os.chown(site if given == "folder" else site / "vfio_sample.py", ALICE, ALICE)
    tool = run(site)
    assert tool["plugins"] == []
    assert "others can write to" in str(tool["problems"])
    assert run(site, "--plugins")["plugins"] == ["sample 1"]


@pytest.mark.slow
@only_root
def test_root_leaves_no_bytecode_in_a_persons_installation(tmp_path: Path) -> None:
    copy = tmp_path / "own"
    skipped = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "vfio_doctor", copy / "vfio_doctor", ignore=skipped)
    words = [sys.executable, "-m", "vfio_doctor", "checks"]
    for owner, written in ((ALICE, False), (0, True)):
        for folder, _, names in os.walk(copy):
            for name in (".", *names):
                os.chown(Path(folder, name), owner, owner)
        env = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        done = subprocess.run(words, cwd=copy, capture_output=True, env=env)
        assert done.returncode == 0
        assert any(copy.rglob("__pycache__")) == written


def test_no_compiler_is_started_for_libudev(tmp_path: Path) -> None:
    for name in ("gcc", "ld", "cc", "objdump", "ldconfig"):
        (tmp_path / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
        (tmp_path / name).chmod(0o755)
    code = (
        "from vfio_doctor.host import udev; print(type(udev.devices('mem')).__name__)"
    )
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": path},
    )
    assert done.stdout == "tuple\n"
    assert not (tmp_path / "ran").exists()


def test_the_plug_in_of_the_manual_judges_and_repairs(site: Path) -> None:
    """Both examples of docs/plugins.md, as they stand there."""
    page = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
    examples = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert len(examples) == 2
    install(site, "\n".join(examples))
    report = document(site, "--select", "mine-quiet-boot", "--fix", "--dry-run")
    (check,) = report["checks"]
    (finding,) = check["findings"]
    assert finding["message"] == "The kernel was started with quiet."
    assert finding["fix"]["id"] == "mine-loud-boot"
    assert "quiet" in report["plan"]["arguments"]["before"]
    assert "quiet" not in report["plan"]["arguments"]["after"]
