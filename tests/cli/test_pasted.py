"""Every command that is printed works when it is pasted, wherever we run from."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from support.command_line import parsed
from support.effort import on_hosts
from support.fixture_hosts import catalogue
from support.reports import NAMES, of_fixture
from support.rows import for_each
from vfio_doctor.app import program
from vfio_doctor.app.chosen import Chosen
from vfio_doctor.report import text
from vfio_doctor.report.pasted import CANONICAL, Called
from vfio_doctor.report.style import Look

ROOT = Path(__file__).resolve().parents[2]
COMMAND = re.compile(r"`([^`]+)`")
HOST = str(catalogue.path("bluefin-dx-2121"))
OURS = ("sudo /opt/a b/vfio-doctor", "/opt/a b/vfio-doctor")
# As from a home with a blank in it, for a person named on the command line.
ODD = Called(
    shlex.quote(OURS[1]),
    f"sudo {shlex.quote(OURS[1])}",
    "--user alice",
    "--user alice",
)


def printed(name: str) -> set[str]:
    look = Look(width=1 << 20, verbosity=1, called=ODD)
    page = text.render(of_fixture(name), look)
    return {c for c in COMMAND.findall(page) if "vfio-doctor" in c}


@pytest.mark.parametrize("name", on_hosts(NAMES))
def test_every_command_of_a_report_can_be_pasted(name: str) -> None:
    found = printed(name)
    assert found
    for command in found:
        words = shlex.split(command)
        if words[0] == "sudo":
            words = words[1:]
        assert words[0] == OURS[1], command
        if "--help" in words or "ID" in words:
            continue
        try:
            parsed(tuple(words[1:]))
        except click.UsageError as error:
            pytest.fail(f"{command}: {error.message}")


@for_each(
    ("written", "pasted"),
    [
        ("`vfio-doctor -v`", "`X --user a -v`"),
        ("`vfio-doctor`", "`X --user a`"),
        ("`sudo vfio-doctor --fix`", "`sudo X --user a --fix`"),
        ("`vfio-doctor explain x`", "`X explain x`"),
        ("`vfio-doctor bug-report`", "`X --user a bug-report`"),
        ("`vfio-doctor --help`", "`X --help`"),
        ("`vfio-doctor-x` and vfio-doctor", "`vfio-doctor-x` and vfio-doctor"),
        ("a lone ` vfio-doctor", "a lone ` vfio-doctor"),
    ],
)
def test_how_a_command_is_written(written: str, pasted: str) -> None:
    assert Called("X", "sudo X", "--user a", "--user a").pasted(written) == pasted
    assert CANONICAL.pasted(written) == written


def test_the_rules_that_were_asked_for_are_kept() -> None:
    rules = Chosen(select=("kvm", "iommu-off"), skip=("kvmfr",), areas=("kvmfr",))
    made = program.called(rules)
    given = "--with kvmfr --select kvm --select iommu-off --skip kvmfr"
    assert made.command("sudo vfio-doctor --fix").endswith(f"doctor {given} --fix")
    assert made.command("vfio-doctor").endswith(f"doctor {given}")
    assert made.command("vfio-doctor bug-report").endswith("--with kvmfr bug-report")
    assert made.command("vfio-doctor explain x").endswith("doctor explain x")


def test_a_capture_is_named_and_root_is_for_its_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "argv", ["/x y/vfio-doctor"])
    made = program.called(Chosen(capture="a b.tar.gz", user="alice"))
    assert made.command("vfio-doctor -v") == (
        "'/x y/vfio-doctor' --capture 'a b.tar.gz' --user alice -v"
    )
    assert made.command("vfio-doctor devices") == (
        "'/x y/vfio-doctor' --capture 'a b.tar.gz' devices"
    )
    assert made.command("sudo vfio-doctor --fix") == "sudo vfio-doctor --fix"


def test_a_name_that_the_shell_finds_is_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "vfio-doctor"
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(path)])
    monkeypatch.setenv("PATH", f"/nowhere:{tmp_path}:/usr/bin")
    assert program.called() == Called("vfio-doctor", f"sudo {path}")
    monkeypatch.setenv("PATH", "/usr/bin")
    assert program.called() == Called(str(path), f"sudo {path}")


def run(command: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", command],
        cwd=ROOT,
        env={**os.environ, **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def archive(folder: Path) -> Path:
    import zipapp

    source = folder / "source"
    waste = shutil.ignore_patterns("__pycache__")
    for part in ("vfio_doctor", "vfio_doctor/checks", "vfio_doctor/fixes"):
        shutil.copytree(ROOT / part, source / part, ignore=waste, dirs_exist_ok=True)
    path = folder / "doctor.pyz"
    zipapp.create_archive(source, path, main="vfio_doctor.__main__:main")
    return path


@pytest.mark.slow
@pytest.mark.runs("sh", "run", "vfio-doctor")
@pytest.mark.parametrize("start", ["run", "module", "zipapp"])
def test_every_plain_command_runs_when_pasted(start: str, tmp_path: Path) -> None:
    python = shlex.quote(sys.executable)
    first = {
        "run": f"{ROOT}/scripts/run",
        "module": f"{python} -m vfio_doctor",
        "zipapp": f"{python} {archive(tmp_path)}" if start == "zipapp" else "",
    }[start]
    shown = run(f"{first} --capture {shlex.quote(HOST)}", COLUMNS="100")
    assert shown.returncode == 1, shown.stderr
    commands = [
        command
        for command in COMMAND.findall(shown.stdout)
        # Ours only: what other programs would do is not for a test to find out.
        if command.startswith(first) and "bug-report" not in command
    ]
    assert len(commands) >= 3
    for command in commands:
        done = run(command)
        assert done.returncode in (0, 1), f"{command}: {done.stderr}"
        assert done.stdout
