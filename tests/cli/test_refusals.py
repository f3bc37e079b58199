"""What the command line refuses, in one sentence and with exit status 2."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.click_runner import runner
from support.fixture_hosts import catalogue
from support.rows import for_each
from vfio_doctor.cli import cli

SICK = str(catalogue.path("bluefin-dx-2121"))
ROOT = Path(__file__).resolve().parents[2]


@for_each(
    ("words", "said"),
    [
        (("--select", "kvmfr", "--skip", "kvmfr"), "Nothing is left to judge"),
        (("--select", ""), "name a check or an area"),
        (("--select", ","), "name a check or an area"),
        (("--fix", "--dry-run", "--size", "100"), "a power of two from 32 to 1024"),
        (("--fix", "--dry-run", "--size", "8"), "a power of two from 32 to 1024"),
        (("--fix", "--dry-run", "--size", "2048"), "2048 is no size for kvmfr"),
        (("--user", "nobodyx"), "--user nobodyx: this host has no such account"),
        (("--user", "root"), "root is not the person at the desktop"),
        (("--user", "nobodyx", "bug-report", "--print"), "no such account"),
    ],
)
def test_refused(words: tuple[str, ...], said: str) -> None:
    result = runner().invoke(cli, ("--capture", SICK, *words))
    assert result.exit_code == 2
    assert result.stdout == ""
    assert said in result.stderr


def test_what_waits_for_an_unselected_check_is_not_all_fine() -> None:
    result = runner().invoke(
        cli, ("--capture", SICK, "-q", "--select", "kvmfr-device-owner")
    )
    assert result.exit_code == 3
    assert "is blocked by kvmfr-rule-owner (select it too)" in result.stdout
    assert "Found nothing" not in result.stdout


@pytest.mark.parametrize("linked", [False, True])
def test_a_pipe_nobody_reads_is_refused(tmp_path: Path, linked: bool) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    path = str(tmp_path / ("link" if linked else "pipe"))
    result = runner().invoke(cli, ("--capture", SICK, "-o", path))
    assert result.exit_code == 2
    assert "cannot write" in result.stderr


@pytest.mark.runs("sh")
@pytest.mark.parametrize(
    ("redirect", "said"),
    [(">/dev/full", "No space left on device"), (">&-", "output is closed")],
)
def test_a_report_that_cannot_be_printed(redirect: str, said: str) -> None:
    line = f'exec "$@" {redirect}'
    words = (sys.executable, "-m", "vfio_doctor", "--capture", SICK)
    done = subprocess.run(
        ("sh", "-c", line, "sh", *words),
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_healthy_host_has_nothing_to_repair() -> None:
    host = str(catalogue.path("healthy-bazzite"))
    result = runner().invoke(cli, ("--capture", host, "--fix", "--dry-run"))
    assert result.stdout == "Nothing is wrong: there is nothing to repair.\n"
    assert result.exit_code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--size", "128"), "--size 128 changes nothing: kvmfr has that size, or no"),
        (("--access", "group"), "--access group changes nothing: no repair writes"),
    ],
)
def test_a_wish_that_changes_nothing_is_said(words: tuple[str, ...], said: str) -> None:
    for host, idle in (("healthy-bluefin", True), ("bazzite-no-size", False)):
        held = str(catalogue.path(host))
        given = ("--capture", held, "--fix", "--dry-run", *words)
        done = runner().invoke(cli, given)
        expected = idle or "--access" in words
        assert (said in " ".join(done.output.split())) is expected
