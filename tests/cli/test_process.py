"""The program as it is started: real processes, this very machine."""

from __future__ import annotations

import fcntl
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.fixture_hosts import catalogue
from vfio_doctor.host import commands

ROOT = Path(__file__).resolve().parents[2]
SICK = str(catalogue.path("bluefin-dx-2121"))
pytestmark = pytest.mark.runs("python", "setpriv")
# All that a diagnosis may start, whatever this machine is.
LISTED = sorted({argv[0] for argv in commands.LISTED})
NOBODY = 65534
AS_NOBODY = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")


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


@pytest.mark.runs(*LISTED)
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


COPIED = ("vfio_doctor", "click", "tabulate", "pyudev")


@pytest.fixture
def for_everybody() -> Iterator[Path]:
    """The program and its packages where any account may read them."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        for package in COPIED:
            found = importlib.util.find_spec(package)
            assert found
            assert found.origin
            shutil.copytree(Path(found.origin).parent, folder / package)
        yield folder


def python_for_everybody() -> str:
    """This Python, or the system's: this one may lie in /root, as .venv may."""
    new_enough = "import sys; sys.exit(sys.version_info < (3, 11))"
    for path in (str(Path(sys.executable).resolve()), "/usr/bin/python3"):
        words = (*AS_NOBODY, path, "-c", new_enough)
        if not subprocess.run(words, capture_output=True, check=False).returncode:
            return path
    pytest.skip("needs a Python that other accounts may start")


@pytest.mark.needs_root
@pytest.mark.needs_tool("setpriv")
def test_unprivileged(for_everybody: Path) -> None:
    code = "from vfio_doctor.cli import main; main(['--format', 'json'])"
    done = subprocess.run(
        (*AS_NOBODY, python_for_everybody(), "-c", code),
        cwd=for_everybody,
        env={**os.environ, "PYTHONPATH": str(for_everybody)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
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


@pytest.fixture
def sigint_as_usual() -> Iterator[None]:
    """What a background job of a shell ignores, its children would ignore too."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("sigint_as_usual")
def test_interrupted_quietly() -> None:
    doctor = subprocess.Popen(
        start("--capture", "-"),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert doctor.stdin
    doctor.stdin.write(b"\x1f")
    doctor.stdin.flush()
    while left_in(doctor.stdin.fileno()):
        time.sleep(0.01)
    doctor.send_signal(signal.SIGINT)
    _, said = doctor.communicate(timeout=60)
    assert doctor.returncode == 130
    assert said.strip() == b""


def left_in(pipe: int) -> int:
    """Return how many bytes nobody has read yet."""
    answer = fcntl.ioctl(pipe, termios.FIONREAD, bytes(4))
    return int.from_bytes(answer, sys.byteorder)


def test_no_utf8_no_trouble() -> None:
    done = run("--capture", SICK, PYTHONIOENCODING="ascii", COLUMNS="50")
    assert done.stdout.isascii()
    assert done.returncode == 1


def test_the_current_folder_gives_no_modules(tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text("raise SystemExit('not ours')\n")
    done = subprocess.run(
        start("checks"),
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "iommu-off" in done.stdout


def test_as_a_module_it_has_its_name() -> None:
    assert run("--help").stdout.startswith("Usage: vfio-doctor ")
    assert run("--version").stderr == ""
