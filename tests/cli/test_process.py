"""The program as it is started: real processes, this very machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SICK = "tests/fixtures/hosts/bluefin-dx-2121"
pytestmark = pytest.mark.runs("python", "setpriv")
NOBODY = 65534


def start(*words: str, before: tuple[str, ...] = ()) -> tuple[str, ...]:
    return (*before, sys.executable, "-m", "vfio_doctor", *words)


def run(
    *words: str, before: tuple[str, ...] = (), **environ: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        start(*words, before=before),
        cwd=ROOT,
        env={**os.environ, **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


def test_this_very_machine() -> None:
    done = run("--format", "json")
    assert done.returncode in (0, 1, 3)
    assert json.loads(done.stdout)["run"]["source"] == "this host"
    assert done.stderr == ""


def test_a_capture_of_this_machine_gives_the_same_report(tmp_path: Path) -> None:
    from vfio_doctor.diagnosis.judge import diagnose
    from vfio_doctor.diagnosis.registry import load
    from vfio_doctor.diagnosis.report import assemble
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.capture_io import save
    from vfio_doctor.host.live import LiveHost
    from vfio_doctor.host.recorder import Recorder
    from vfio_doctor.model import RunInfo
    from vfio_doctor.report import json as as_json

    recorder, registry = Recorder(LiveHost()), load()
    facts = Facts(recorder)
    results = diagnose(facts, registry)
    live = assemble(recorder, facts, results, RunInfo("", 0, "x"))
    save(recorder.capture(), tmp_path)
    done = run("--format", "json", "--capture", str(tmp_path))
    replayed, original = json.loads(done.stdout), json.loads(as_json.render(live))
    del replayed["run"], original["run"]
    assert replayed == original


@pytest.mark.needs_root
def test_unprivileged() -> None:
    before = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    done = run("--format", "json", before=before)
    if "Permission denied" in done.stderr:
        pytest.skip("this Python is not readable for others")
    assert done.returncode in (0, 1, 3), done.stderr
    held = json.loads(done.stdout)
    assert held["host"]["uid"] == NOBODY
    assert held["summary"]["statuses"]["error"] == 0


def test_reader_that_stops_early() -> None:
    doctor = subprocess.Popen(
        start("--capture", SICK, "-v"),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert doctor.stdout
    assert doctor.stderr
    doctor.stdout.close()
    said = doctor.stderr.read()
    doctor.stderr.close()
    assert doctor.wait(60) == 1
    assert said == b""


def test_interrupted_quietly() -> None:
    doctor = subprocess.Popen(
        start("--capture", "-"),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    time.sleep(1)
    doctor.send_signal(signal.SIGINT)
    _, said = doctor.communicate(timeout=60)
    assert doctor.returncode == 130
    assert said.strip() == b""


def test_no_utf8_no_trouble() -> None:
    done = run("--capture", SICK, PYTHONIOENCODING="ascii", COLUMNS="50")
    assert done.stdout.isascii()
    assert done.returncode == 1


def test_no_traceback_without_debug(tmp_path: Path) -> None:
    broken = tmp_path / "vfio_doctor_broken.py"
    broken.write_text("raise RuntimeError('\\x1b[31mboom')", encoding="utf-8")
    info = tmp_path / "broken-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: broken\nVersion: 1\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(
        "[vfio_doctor.checks]\nbroken = vfio_doctor_broken\n", encoding="utf-8"
    )
    done = run("--capture", SICK, PYTHONPATH=str(tmp_path))
    assert "plug-in broken" in done.stdout
    assert r"\x1b[31mboom" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_as_a_module_it_has_its_name() -> None:
    assert run("--help").stdout.startswith("Usage: vfio-doctor ")
    assert run("--version").stderr == ""
